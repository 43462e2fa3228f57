"""How a question is put to a model. The wording is a version: other words are another pipeline version."""

from __future__ import annotations

PROMPT_VERSION = "1"

SYSTEM = (
    "You answer questions. Think in short numbered steps, then write the final answer alone on the last line, "
    "after four hash signs, like this: #### 42"
)
# by the checker that will read the answer; a data set may go by any name
_NUMBER = "The final answer is a number without unit."
_FORMS = {
    "gsm8k": _NUMBER,
    "gsm8k_strict": _NUMBER,
    "gsm8k_flexible": _NUMBER,
    "boolq": "Decide from the passage. The final answer is yes or no.",
    "hotpotqa": "The final answer is a name, a date, yes, no or another phrase of a few words.",
}


def first_prompt(question: str, context: str | None, checker: str) -> str:
    """The user message of turn 0: the passage where there is one, the question, the form of the answer."""
    parts = [f"Passage:\n{context}"] if context else []
    parts.append(f"Question:\n{question}")
    form = _FORMS.get(checker)
    if form:
        parts.append(form)
    return "\n\n".join(parts)
