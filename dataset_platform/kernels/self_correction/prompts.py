"""How a question is put to a model. The wording is a version: other words are another pipeline version."""

from __future__ import annotations

PROMPT_VERSION = "1"

SYSTEM = (
    "You answer questions. Think in short numbered steps, then write the final answer alone on the last line, "
    "after four hash signs, like this: #### 42"
)
_FORMS = {
    "gsm8k": "The final answer is a number without unit.",
    "arithmetic": "The final answer is a number without unit.",
    "boolq": "Decide from the passage. The final answer is yes or no.",
    "hotpotqa": "The final answer is a name, a date, yes, no or another phrase of a few words.",
}


def first_prompt(question: str, context: str | None, dataset_name: str) -> str:
    """The user message of turn 0: the passage where there is one, the question, the form of the answer."""
    parts = [f"Passage:\n{context}"] if context else []
    parts.append(f"Question:\n{question}")
    form = _FORMS.get(dataset_name)
    if form:
        parts.append(form)
    return "\n\n".join(parts)
