"""What a refusal is about, read from its words: the key, the model, a thing the request names, or
the path.

A 403 or 404 says nothing by itself. Only a statement about the key concerns the key, and only one
about the model concerns the model; all else is the fault of one request. The words are those of the
providers' own errors.
"""

from __future__ import annotations

import re
from typing import Final, Literal

Subject = Literal["key", "model", "request", "path"]

_KEY_IS_BAD: Final = re.compile(
    r"\b(api[ _-]?keys?|credentials?|accounts?|organi[sz]ations?|"
    r"(?P<weak>keys?|tokens?|teams?|projects?|subscriptions?))\b"
    r"[^.]{0,80}\b(invalid|incorrect|expired|revoked|leaked|disabled|deactivated|suspended"
    r"|blocked|banned|"
    r"restricted|terminated|deleted|denied|not (valid|active|found))\b"
    r"|\b(invalid|incorrect|expired|revoked|missing|unknown|leaked|wrong) (\w{1,40} ){0,2}"
    r"(api[ _-]?key|x-api-key|key|credentials?|authentication|access token|bearer token)\b"
    r"|unauthenticated|not authenticated|authentication (failed|required)|failed to authenticate",
    re.IGNORECASE,
)
"""The provider does not accept the key, or the account behind it. A weak noun may be of something
else."""
_OF_THE_CALLER: Final = re.compile(
    r"caller does not have permission|api[ _-]?key|credential|unauthori[sz]ed|user location"
    r"|country, region"
    r"|has not been used in project|(not|isn't) enabled (for|in) (this|your) (project|account)",
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
    """What a 403 is about. Without words it is no answer of the provider's API."""
    if not message.strip() or _BARE_FORBIDDEN.search(message):
        return "path"
    named = _NAMED.search(message)
    if _names_the_model_first(message, named):
        return "model"
    bad = _KEY_IS_BAD.search(message)
    if bad is not None and (named is None or bad["weak"] is None):
        return "key"
    if named is not None:
        return "request"
    return "key" if _OF_THE_CALLER.search(message) else "request"


def of_not_found(message: str) -> Subject:
    """What a 404 or 410 is about."""
    named = _NAMED.search(message)
    if _names_the_model_first(message, named):
        return "model"
    if not message.strip() or _NO_SUCH_PATH.search(message):
        return "path"
    return "model" if named is None and _ANY_MODEL.search(message) else "request"


def _names_the_model_first(message: str, named: re.Match[str] | None) -> bool:
    """Whether a model is refused, and not a file that has the word in its name."""
    model = _NO_SUCH_MODEL.search(message)
    if model is None:
        return False
    return named is None or named["vague"] is not None or model.start() < named.start()
