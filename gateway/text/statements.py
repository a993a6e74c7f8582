"""Statements of a provider about the key, the balance, the model or its load, in errors whose
status does not say so.

Such an error may quote or repeat what the client wrote. So a statement counts only where it is the
whole message, which no repetition is; words inside a message say that the next model may do better,
and nothing about the others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal

from gateway.text.quotes import own_words

Matter = Literal["key", "balance", "model", "load"]

_NAME: Final = r"[`'\"]?[^\s`'\"]{1,200}[`'\"]?"
_PLEASE: Final = (
    r"(?:[.,!]? (?:and )?please (?:pass a valid api key|renew the api key|check your plan and "
    r"billing details|go to plans & billing to upgrade or purchase credits|try again(?: later)?"
    r"|retry shortly|contact support|recharge|check))?"
)
"""No other words may follow: a client could have written a statement, and the provider go on."""


def _whole(*sentences: str) -> re.Pattern[str]:
    return re.compile(rf"\s*(?:{'|'.join(sentences)}){_PLEASE}[.!…\s]*", re.IGNORECASE)


_STATEMENTS: Final[Mapping[Matter, re.Pattern[str]]] = {
    "key": _whole(
        r"(?:incorrect|invalid) api key provided(?:: \S{1,200})?"
        r"(?:[.…]? you can (?:find|obtain|get) (?:an|your) api keys? (?:at|from|in) \S{1,200})?",
        r"(?:the |your )?api[ _-]?key (?:is )?(?:not valid|invalid|not found|expired)",
        r"invalid api[ _-]?key",
        r"(?:missing or invalid|invalid|missing) authori[sz]ation header",
        r"no auth credentials(?: found)?",
        r"this credential is only authorized for use with \w{1,20} \w{1,20}"
        r"(?: and cannot be used for other api requests)?",
        r"(?:this|your) organization has been (?:disabled|restricted)",
    ),
    "balance": _whole(
        r"your credit balance is too low(?: to access the (?:\w{1,40} )?api)?",
        r"you have reached your specified \w{1,40} usage limits"
        r"(?:\. you will regain access on [\d-]{1,10}(?: at [\d:]{1,8} utc)?)?",
        r"you(?:'re| are) out of extra usage(?:\. add more (?:at \S{1,100} )?and keep going)?",
        r"(?:you have )?insufficient (?:account )?(?:credits?|balance|funds)",
        r"(?:sorry, )?your account balance is (?:insufficient|not enough)",
        r"you exceeded your current quota",
        r"billing hard limit has been reached",
        r"your (?:newly created )?team (?:[\w-]{1,60} )?(?:doesn't have any credits yet|has either "
        r"used all available credits or reached its monthly spending limit)",
    ),
    "model": _whole(
        rf"(?:the )?(?:requested )?model:? {_NAME} (?:does not|doesn't) exist"
        r"(?: or you do not have access to it)?",
        rf"(?:the )?(?:requested )?model:? {_NAME} (?:was |is )?not found",
        rf"{_NAME} is not a valid model(?: id| name)?",
        rf"(?:invalid|unknown) model(?: id| name)?(?::? {_NAME})?",
        rf"model (?:not found|(?:does )?not exists?)(?:: {_NAME})?",
    ),
    "load": _whole(
        r"(?:the |this )?(?:model|server|engine|service|provider)?(?: is)?"
        r"(?: currently| temporarily)? ?overloaded",
        rf"{_NAME} is temporarily rate-limited upstream",
        r"rate limit (?:exceeded|reached)|too many requests",
        r"(?:the )?(?:model|service) is (?:temporarily )?(?:unavailable|at capacity)",
    ),
}
_WORDS: Final[Mapping[Matter, re.Pattern[str]]] = {
    "key": re.compile(
        r"api[ _-]?key (?:not valid|is invalid|provided)|invalid api[ _-]?key|no auth credentials"
        r"|only authorized for use with|organization has been disabled",
        re.IGNORECASE,
    ),
    "balance": re.compile(
        r"credit balance is too low|available credits|insufficient (?:credits|balance|funds)"
        r"|spending limit|exceeded your current quota|billing (?:details|hard limit|is not)"
        r"|have any credits|requires more credits|insufficient[_ ]quota|can only afford"
        r"|\bkey limit exceeded|account balance is insufficient"
        r"|reached your specified \w{1,40} usage limits|out of extra usage",
        re.IGNORECASE,
    ),  # not `billing` alone: a rate limit may name the page where a larger plan is sold
    "model": re.compile(
        r"is not a valid model|invalid model|model_not_found|unknown model"
        r"|model not (?:found|exist)|\bmodel \S+ (?:does not exist|(?:was |is )?not found)",
        re.IGNORECASE,
    ),
    "load": re.compile(
        r"overloaded|temporarily|rate.?limit|try again later|capacity", re.IGNORECASE
    ),
}


def states(matter: Matter, message: str) -> bool:
    """Whether a message consists of a statement about `matter`."""
    return _STATEMENTS[matter].fullmatch(message) is not None


def mentions(matter: Matter, message: str) -> bool:
    """Whether a message speaks of `matter` in words of its own."""
    words = _WORDS[matter]
    return words.search(message) is not None and words.search(own_words(message)) is not None
