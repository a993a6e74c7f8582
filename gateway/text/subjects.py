"""The subject of a refusal, read from its words: the key, the model, a thing the request names, or
the path.

A 403 or 404 says nothing by itself. Only a statement about the key concerns the key, and only one
about the model concerns the model; all else is the fault of one request: also a feature that an
organisation has switched off. The words are those of the providers' own errors, without what they
quote.
"""

from __future__ import annotations

import re
from typing import Final, Literal

from gateway.text.quotes import own_words, without_quotations

Subject = Literal["key", "model", "request", "path"]

_LEAD: Final = r"^\s*(?:(?:error|forbidden|(?:permission|access) denied)\W{1,3})?(?:sorry, )?"
_END: Final = r"(?=\s*(?:[.,;:!(\n]|$|(?:and|or|because|due|as|by|since|until|provided|used)\b))"
"""The end of a statement: "blocked from using web search" says nothing about the key."""
_KEY_IS_BAD: Final = re.compile(
    rf"{_LEAD}(?:(?:your|the|this|that|provided|given|current|security|access|bearer) ){{0,3}}"
    r"(?:api[ _-]?keys?|credentials?|accounts?|organi[sz]ations?|consumer"
    r"|(?P<weak>keys?|tokens?|teams?|projects?|subscriptions?))"
    r"(?: (?:you provided|provided|included in the request|(?:org|proj)[-_]\w{1,80}))?"
    r" {1,3}(?:(?:is|was|are|were|has been|have been)"
    r"(?: (?:currently|temporarily|(?:reported|marked) as))? (?:invalid|incorrect|expired"
    r"|revoked|leaked|disabled|deactivated|suspended|blocked|banned|restricted|terminated|deleted"
    rf"|missing|denied access|(?:not|no longer) (?:valid|active|found))|has expired){_END}"
    rf"|{_LEAD}(?:(?:the|an?) )?(?:invalid|incorrect|expired|revoked|missing|unknown|leaked|wrong)"
    r" (?:or \w{1,20} )?(?:key|(?:\w{1,20} )?"
    rf"(?:api[ _-]?key|x-api-key|credentials?|authentication|access token|bearer token)){_END}"
    rf"|{_LEAD}(?:(?:you|user|request|the (?:user|request|caller)) (?:is|are) )?"
    rf"(?:unauthenticated|not authenticated|authentication (?:failed|required)"
    rf"|failed to authenticate){_END}",
    re.IGNORECASE,
)
"""The provider does not accept the key, or the account behind it. A weak noun may be of something
else. An organisation that "has disabled" something does not belong here."""
_OF_THE_CALLER: Final = re.compile(
    rf"{_LEAD}(?:(?:the )?caller does not have permission(?: to execute the specified operation)?"
    r"\W{0,9}$|unauthori[sz]ed\W{0,9}$|user location is not supported|country, region"
    r"|requests from referer|method doesn't allow unregistered callers"
    r"|(?:oauth|this) authentication (?:method )?(?:is|does) )"
    r"|has not been used in project \S{1,100} before or it is disabled",
    re.IGNORECASE,
)
"""The same in vaguer words, which count only where nothing is named that the request asked for."""
_NO_SUCH_MODEL: Final = re.compile(
    r"\b(model|deployment)s?\b[ :/]{0,3}[`'\"]?[\w./:@+-]{0,200}[`'\"]?,? "
    r"(was |were |is |are |has been |have been |for this resource )?"
    r"(does not|doesn't|do not|not|no longer|unknown|decommissioned|retired)\b"
    r"|(unknown|invalid|no such|not a valid) (model|deployment)|no endpoints found for"
    r"|(access to|to access|to use) (the |this )?models?\b",
    re.IGNORECASE,
)
_NAMED: Final = re.compile(
    r"\b(files?|documents?|images?|urls?|batch|assistant|conversation|thread|containers?|vector "
    r"stores?"
    r"|previous[ _]response|response with id|items? with id|cached ?contents?|prompt template"
    r"|prompt with id|voice|connectors?|mcp|sessions?"
    r"|skills?"
    r"|data policy|privacy|guardrails?|allowed providers|requested providers|provider routing"
    r"|(?P<vague>resources?|objects?))\b",
    re.IGNORECASE,
)
"""Things that one request names and another would not."""
_ANY_MODEL: Final = re.compile(r"\b(model|deployment)s?\b", re.IGNORECASE)
_NO_SUCH_PATH: Final = re.compile(
    r"^\W{0,9}(http )?(error )?(404)?\W{0,3}(page |path |route |url )?not[ _]found\W{0,9}$"
    r"|\bno route\b|invalid url|unknown (url|path|endpoint|route)|unexpected endpoint"
    r"|cannot post\b",
    re.IGNORECASE,
)

_BARE_FORBIDDEN: Final = re.compile(
    r"^\W{0,9}(http )?(error )?(403)?\W{0,3}(forbidden|access denied|denied)\W{0,9}$", re.IGNORECASE
)


def of_forbidden(message: str) -> Subject:
    """The subject of a 403. Without words it is not an answer of the provider's API."""
    if not message.strip() or _BARE_FORBIDDEN.search(message):
        return "path"
    plain = without_quotations(message)
    named = _NAMED.search(plain)
    if _names_the_model_first(plain, named):
        return "model"
    own = own_words(message)
    bad = _KEY_IS_BAD.search(own)
    if bad is not None and (named is None or bad["weak"] is None):
        return "key"
    if named is not None:
        return "request"
    return "key" if _OF_THE_CALLER.search(own) else "request"


def names_a_thing(message: str) -> bool:
    """Whether a refusal is about something that one request names, a file for instance."""
    return _NAMED.search(message) is not None


def of_not_found(message: str) -> Subject:
    """The subject of a 404 or 410."""
    plain = without_quotations(message)
    named = _NAMED.search(plain)
    if _names_the_model_first(plain, named):
        return "model"
    if not message.strip() or _NO_SUCH_PATH.search(message):
        return "path"
    return "model" if named is None and _ANY_MODEL.search(plain) else "request"


def _names_the_model_first(message: str, named: re.Match[str] | None) -> bool:
    """Whether a model is refused, and not a file that has the word in its name."""
    model = _NO_SUCH_MODEL.search(message)
    if model is None:
        return False
    return named is None or named["vague"] is not None or model.start() < named.start()
