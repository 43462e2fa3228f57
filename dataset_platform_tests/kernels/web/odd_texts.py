"""Texts and runs with everything that splits words and judges lines differently, made by a seeded generator."""

import random
from collections.abc import Iterator

WORDS = [
    "the",
    "be",
    "to",
    "of",
    "and",
    "that",
    "have",
    "with",
    "a",
    "in",
    "is",
    "it",
    "for",
    "on",
    "was",
    "as",
    "at",
    "by",
    "river",
    "stone",
    "market",
    "winter",
    "garden",
    "letter",
    "window",
    "story",
    "captain",
    "morning",
    "village",
    "music",
    "silver",
    "bridge",
    "teacher",
    "summer",
    "paper",
    "island",
    "candle",
    "forest",
    "kitchen",
    "journey",
    "doctor",
    "station",
    "Paris",
    "NASA",
    "U.S.",
    "e.g.",
    "i.e.",
    "Mr.",
    "Dr.",
    "don't",
    "it's",
    "we're",
    "can't",
    "cannot",
    "gonna",
    "o'clock",
    "10am",
    "5km",
    "3.5",
    "1,000",
    "12",
    "2024",
    "state-of-art",
    "and/or",
    "www.example.org",
    "http://example.com/a-b?c=d",
    "me@example.org",
    "café",
    "naïve",
    "Straße",
    "日本",
    "中文字",
    "привет",
    ":-)",
    ":)",
    "C++",
    "#tag",
    "@me",
    "“quoted”",
    "it’s",
    "don’t",
    "—",
    "–",
    "50%",
    "$5",
    "3€",
    "20°C",
    "x²",
    "•",
    "-",
    "*",
    "JavaScript",
    "cookies",
    "[1]",
    "[edit]",
    "[citation",
    "needed]",
    "…",
]
PLAIN = WORDS.index("Paris")
MARKS = (*".,;:!?'\"()[]{}<>_#*&%=+-/~^@|\\$", "…", "—", "–", "‘", "’", "“", "”", "«", "»", "·", "•", "。", "，", "！", "？",
         "...", "..", "--", "---", "'s", "’s", "n't", "://", "www.", "US$", "😀", "👍🏽", "™", "°", "²", "½", "£", "€",
         "中", "文", "あ", "\u200b", "\u0301", "İ", "ß", "É", "٣", "a", "B", "x", "1", "20", "km", "am", "p.m.", "com",
         "co", "192.168.0.1", "8.8.8.8", "foo.bar", "user@")  # fmt: skip


def runs(seed: int, count: int) -> list[str]:
    """Runs without whitespace, most of them of marks and parts of words."""
    draw = random.Random(seed)
    parts = (*MARKS, *MARKS, *WORDS)
    made = ("".join(draw.choice(parts) for _ in range(draw.randint(1, 6))) for _ in range(count))
    return ["".join(run.split()) for run in made]


def _line(draw: random.Random, oddness: float) -> str:
    words = []
    for _ in range(draw.randint(1, 24)):
        word = draw.choice(WORDS if draw.random() < oddness else WORDS[:PLAIN])
        if draw.random() < oddness:
            at = draw.randint(0, len(word))
            word = word[:at] + draw.choice(MARKS) + word[at:]
        words.append(word)
    gap = draw.choice([" ", " ", " ", " ", "  ", "\t", "\u00a0", " \u00a0"])
    return gap.join(words) + draw.choice(
        [".", ".", ".", "?", "!", "...", "…", '."', ".)", " .", ",", "", "  [1]", ".[2]"]
    )


def _lines(draw: random.Random, count: int, oddness: float, repeats: float) -> Iterator[str]:
    kept: list[str] = []
    for _ in range(count):
        again = kept and draw.random() < repeats
        line = draw.choice(kept) if again else _line(draw, oddness)
        kept.append(line)
        yield draw.choice(["", "", "", " ", "- ", "• ", "# "]) + line


def texts(seed: int, count: int) -> list[str]:
    """Documents of one to sixty lines, a part of which the rules keep."""
    draw = random.Random(seed)
    made = []
    for _ in range(count):
        oddness = draw.choice([0.0, 0.02, 0.1, 0.3])
        breaks = draw.choice([["\n"], ["\n\n"], ["\n", "\n\n", "\n\n\n"], ["\n", "\r\n", "\u2028", "\x0b", "\n \n"]])
        repeats, size = draw.choice([0.0, 0.0, 0.08]), draw.randint(1, 60)
        made.append("".join(line + draw.choice(breaks) for line in _lines(draw, size, oddness, repeats)))
    extra = [
        "lorem ipsum is here to stay.",
        "Some { code }.",
        "This site uses cookies.",
        "Enable JavaScript now please.",
    ]
    return [text + (draw.choice(extra) + "\n") * (draw.random() < 0.2) for text in made]
