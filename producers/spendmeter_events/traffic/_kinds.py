"""Kinds of calls of the schools' applications, and the models that each school uses for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from spendmeter_events.traffic._schools import Stack

Measure = Literal["tokens", "characters", "audio", "images"]
Purpose = Literal[
    "tutor", "light", "compose", "grade", "insight", "vision", "embed", "voice", "listen", "draw", "translate"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of call. Amounts are medians."""

    feature: str
    purpose: Purpose
    agent: str = ""
    task: str = ""
    action: str = "user_interaction"
    service: str = "chat"
    measure: Measure = "tokens"
    instructions: int = 0
    """Input tokens that are the same in every call and therefore can be cached."""
    amount: int = 0
    """Variable amount: input tokens, characters, milliseconds of audio, or images."""
    answer: int = 0
    """Visible output tokens, without reasoning."""
    streamed: bool = False
    searches: bool = False
    """Whether the model may search the web."""


# fmt: off
KINDS: Final[dict[str, Kind]] = {
    "chat": Kind(feature="chat", purpose="tutor", agent="assistant", instructions=1400, amount=120, answer=260,
                 streamed=True),
    "title": Kind(feature="chat_title", purpose="light", agent="assistant", action="title_generation", amount=190,
                  answer=9),
    "guard": Kind(feature="chat", purpose="light", agent="guardrail", action="guardrail_check", amount=230,
                  answer=6),
    "query": Kind(feature="embedding", purpose="embed", agent="librarian", action="rag_query_embedding",
                  service="embedding", amount=24),
    "search": Kind(feature="vector_search", purpose="embed", agent="librarian", action="rag_query_embedding",
                   service="embedding", amount=18),
    "rag": Kind(feature="rag_completion", purpose="tutor", agent="tutor", instructions=1900, amount=1600,
                answer=320, streamed=True),
    "index": Kind(feature="embedding_batch", purpose="embed", agent="librarian", task="index-library",
                  action="document_indexing", service="embedding", amount=7600),
    "sections": Kind(feature="vector_sections", purpose="embed", agent="librarian", task="index-library",
                     action="document_indexing", service="embedding", amount=2400),
    "test": Kind(feature="test_generation", purpose="compose", agent="examiner", task="write-test",
                 instructions=2100, amount=2600, answer=1900),
    "grade": Kind(feature="answer_evaluation", purpose="grade", agent="examiner", task="grade-answers",
                  instructions=2600, amount=650, answer=210),
    "curriculum": Kind(feature="curriculum_generation", purpose="compose", agent="planner", task="plan-term",
                       instructions=2400, amount=5200, answer=3400),
    "module": Kind(feature="module_generation", purpose="compose", agent="planner", task="write-module",
                   instructions=2200, amount=3100, answer=2500),
    "lesson": Kind(feature="teaching_plan", purpose="compose", agent="planner", task="plan-lesson",
                   instructions=1800, amount=1300, answer=1400, streamed=True, searches=True),
    "student": Kind(feature="student_insights", purpose="insight", agent="insights", task="weekly-insights",
                    instructions=1500, amount=2900, answer=380),
    "teacher": Kind(feature="teacher_insights", purpose="insight", agent="insights", task="weekly-insights",
                    instructions=1500, amount=4800, answer=520),
    "vocabulary": Kind(feature="vocabulary_quiz", purpose="grade", agent="quizmaster", task="make-quiz",
                       instructions=1100, amount=180, answer=420),
    "quiz": Kind(feature="ai_quiz", purpose="grade", agent="quizmaster", task="make-quiz", instructions=1300,
                 amount=520, answer=640),
    "reading": Kind(feature="reading_comprehension", purpose="grade", agent="quizmaster", task="make-reading",
                    instructions=1200, amount=310, answer=780),
    "matching": Kind(feature="matching_game", purpose="light", agent="quizmaster", task="make-game",
                     instructions=700, amount=140, answer=260),
    "sentences": Kind(feature="sentence_builder", purpose="light", agent="quizmaster", task="make-game",
                      instructions=700, amount=160, answer=300),
    "photo": Kind(feature="homework_photo", purpose="vision", agent="tutor", service="vision", instructions=900,
                  amount=1250, answer=340, streamed=True),
    "listen": Kind(feature="speaking_practice", purpose="listen", agent="voice-coach", service="transcription",
                   measure="audio", amount=9200),
    "coach": Kind(feature="speaking_practice", purpose="grade", agent="voice-coach", instructions=1150, amount=210,
                  answer=130),
    "speak": Kind(feature="speaking_practice", purpose="voice", agent="voice-coach", service="speech",
                  measure="characters", amount=240),
    "word": Kind(feature="vocabulary_quiz", purpose="voice", agent="quizmaster", service="speech",
                 measure="characters", amount=14),
    "passage": Kind(feature="reading_comprehension", purpose="voice", agent="quizmaster", service="speech",
                    measure="characters", amount=1350),
    "draw": Kind(feature="illustration", purpose="draw", agent="illustrator", task="illustrate-module",
                 service="image", measure="images", amount=1),
    "translate": Kind(feature="translation", purpose="translate", agent="translator", task="translate-notice",
                      service="translation", measure="characters", amount=1500),
}
# fmt: on

_Choice = tuple[tuple[str, float], ...]
_OPENAI: Final[dict[Purpose, _Choice]] = {
    "tutor": (("gpt-5-mini", 0.7), ("gpt-4o", 0.18), ("gpt-4o-mini", 0.12)),
    "light": (("gpt-5-nano", 1),),
    "compose": (("gpt-5.4", 0.6), ("gpt-4o", 0.4)),
    "grade": (("gpt-5-mini", 0.85), ("gpt-4o-mini", 0.15)),
    "insight": (("gpt-5-nano", 0.6), ("gpt-4o-mini", 0.4)),
    "vision": (("gpt-4o", 1),),
    "embed": (("text-embedding-3-small", 1),),
    "voice": (("neural", 0.6), ("tts-1", 0.4)),
    "listen": (("whisper-1", 1),),
    "draw": (("gpt-image-1", 0.7), ("dall-e-3", 0.3)),
    "translate": (("deepl-translate", 1),),
}
STACKS: Final[dict[Stack, dict[Purpose, _Choice]]] = {
    "openai": _OPENAI,
    "anthropic": {
        **_OPENAI,
        "tutor": (("claude-haiku-4-5", 0.78), ("claude-sonnet-5", 0.22)),
        "light": (("claude-haiku-4-5", 1),),
        "compose": (("claude-sonnet-5", 0.9), ("claude-opus-4-8", 0.1)),
        "grade": (("claude-haiku-4-5", 0.7), ("claude-sonnet-5", 0.3)),
        "insight": (("claude-haiku-4-5", 1),),
        "vision": (("claude-sonnet-5", 1),),
        "voice": (("neural", 0.5), ("eleven_multilingual_v2", 0.5)),
    },
    "google": {
        **_OPENAI,
        "tutor": (("gemini-2.5-flash", 1),),
        "light": (("gemini-2.5-flash-lite", 1),),
        "compose": (("gemini-2.5-pro", 1),),
        "grade": (("gemini-2.5-flash", 1),),
        "insight": (("gemini-2.5-flash-lite", 1),),
        "vision": (("gemini-2.5-flash", 1),),
        "embed": (("gemini-embedding-001", 1),),
        "voice": (("edge-tts", 0.75), ("neural", 0.25)),
    },
    "economy": {
        **_OPENAI,
        "tutor": (("deepseek-v4-flash", 1),),
        "light": (("llama3.2:3b", 1),),
        "compose": (("deepseek-v4-pro", 1),),
        "grade": (("deepseek-v4-flash", 1),),
        "insight": (("deepseek-v4-flash", 0.5), ("llama3.2:3b", 0.5)),
        "vision": (("gemini-2.5-flash", 1),),
        "embed": (("nomic-embed-text", 1),),
        "voice": (("edge-tts", 1),),
    },
    "european": {
        **_OPENAI,
        "tutor": (("mistral-large-4", 0.45), ("mistral-small-2603", 0.55)),
        "light": (("mistral-small-2603", 1),),
        "compose": (("mistral-large-4", 0.7), ("claude-sonnet-5", 0.3)),
        "grade": (("mistral-small-2603", 1),),
        "insight": (("mistral-small-2603", 1),),
        "embed": (("mistral-embed", 1),),
        "voice": (("neural", 1),),
    },
    "platform": {
        **_OPENAI,
        "tutor": (("gpt-5.4", 0.6), ("claude-opus-4-8", 0.4)),
        "compose": (("claude-opus-4-8", 1),),
    },
}
"""Stack → purpose → (model, share)."""
