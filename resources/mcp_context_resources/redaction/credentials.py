"""Credentials: keys and tokens by their form, passwords in URLs and in assignments.

The forms of tokens are those of detect-secrets, whose patterns are used without its scanner; those of them that a
hostile text could make slow are written anew here, each in linear time.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from detect_secrets.plugins.artifactory import ArtifactoryDetector
from detect_secrets.plugins.aws import AWSKeyDetector
from detect_secrets.plugins.azure_storage_key import AzureStorageKeyDetector
from detect_secrets.plugins.discord import DiscordBotTokenDetector
from detect_secrets.plugins.github_token import GitHubTokenDetector
from detect_secrets.plugins.gitlab_token import GitLabTokenDetector
from detect_secrets.plugins.mailchimp import MailchimpDetector
from detect_secrets.plugins.pypi_token import PypiTokenDetector
from detect_secrets.plugins.sendgrid import SendGridDetector
from detect_secrets.plugins.slack import SlackDetector
from detect_secrets.plugins.square_oauth import SquareOAuthDetector
from detect_secrets.plugins.telegram_token import TelegramBotTokenDetector
from detect_secrets.plugins.twilio import TwilioKeyDetector

from mcp_context_resources.redaction.finding import Finding
from mcp_context_resources.redaction.private_keys import private_keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mcp_context_resources.redaction.finding import Legible

# What must occur in a text, in small letters, before its pattern is tried.
_FORMS: Final[tuple[tuple[tuple[str, ...], tuple[re.Pattern[str], ...]], ...]] = (
    (("akc",), tuple(ArtifactoryDetector.denylist)[:1]),
    (("akia", "asia", "abia", "acca", "a3t", "aws"), tuple(AWSKeyDetector.denylist)),
    (("accountkey=",), tuple(AzureStorageKeyDetector.denylist)),
    (("_", "-"), tuple(DiscordBotTokenDetector.denylist)),
    (("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), tuple(GitHubTokenDetector.denylist)),
    (("gl", "gr1348941"), tuple(GitLabTokenDetector.denylist)),
    (("-us",), tuple(MailchimpDetector.denylist)),
    (("pypi-age",), tuple(PypiTokenDetector.denylist)),
    (("sg.",), tuple(SendGridDetector.denylist)),
    (("xox", "hooks.slack.com"), tuple(SlackDetector.denylist)),
    (("sq0csp-",), tuple(SquareOAuthDetector.denylist)),
    ((":aa",), tuple(TelegramBotTokenDetector.denylist)),
    (("ac", "sk"), tuple(TwilioKeyDetector.denylist)),
)

# Forms of newer tokens, and of those whose usual pattern takes quadratic time.
_TOKENS: Final = re.compile(
    r"(?<![A-Za-z0-9_])(?:"
    r"github_pat_[A-Za-z0-9_]{22,255}"
    r"|npm_[A-Za-z0-9]{36}"
    r"|hf_[A-Za-z0-9]{30,64}"
    r"|sk-(?:proj|ant|or|svcacct|admin)-[A-Za-z0-9_-]{20,255}"
    r"|sk-[A-Za-z0-9]{32,64}"
    r"|[sr]k_(?:live|test)_[0-9A-Za-z]{16,255}"
    r"|whsec_[0-9A-Za-z+/=]{24,64}"
    r"|AIza[A-Za-z0-9_-]{35}"
    r"|ya29\.[A-Za-z0-9_-]{20,255}"
    r"|xapp-[A-Za-z0-9-]{20,255}"
    r"|xoxe[.-][A-Za-z0-9.-]{20,255}"
    r"|dop_v1_[a-f0-9]{64}"
    r"|shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"
    r"|AGE-SECRET-KEY-1[0-9A-Z]{58}"
    r"|(?=eyJ)[A-Za-z0-9_=-]{11,16384}\.[A-Za-z0-9_=-]{8,16384}(?:\.[A-Za-z0-9_.+/=-]{0,16384})?"
    r")(?![A-Za-z0-9])"
)
_TOKEN_STARTS: Final = (
    *("github_pat_", "npm_", "hf_", "sk-", "k_live_", "k_test_", "whsec_", "aiza", "ya29.", "xapp-", "xoxe", "dop_v1_"),
    *("shpat_", "shpca_", "shppa_", "shpss_", "age-secret-key-", "eyj"),
)

_URL_PASSWORD: Final = re.compile(r"(?<=://)[^\s:/?#@\[\]<>'\"\x00]{0,200}+:([^\s/?#@<>'\"\x00]{1,200}+)@")
_SCHEMES: Final = ("bearer", "basic", "token")
_BEARER: Final = re.compile(r"[ :]{1,3}((?=[^\s,;'\"]{0,200}[0-9])[A-Za-z0-9._~+/=-]{20,4096})")

_NAMES: Final = (
    *("password", "passwd", "passphrase", "pwd", "secret", "token", "credential"),
    *("apikey", "api_key", "api-key", "api key", "accesskey", "access_key", "access-key", "access key"),
    *("privatekey", "private_key", "private-key", "authkey", "auth_key", "auth-key", "encryption_key", "signing_key"),
    *("accountkey", "account_key", "service_key", "secret_key", "secret-key", "secret key", "secretkey"),
    *("パスワード", "暗証番号", "秘密鍵", "apiキー", "シークレット", "アクセスキー"),
)
_ASSIGNED: Final = re.compile(
    r"(?:s|_?[0-9]{1,3}|_base|_confirmation|_old|_new|_prod|_dev|_test)?[\"'\]]{0,2}\s?"
    r"(?P<sign>:=|=>|={1,3}|:|は|is )[ \t]{0,8}"
    r"(?:\"(?P<double>[^\"\n\x00]{3,4096}+)\"|'(?P<single>[^'\n\x00]{3,4096}+)'"
    r"|(?P<bare>[^\s\"',;<>(){}|\x00「」、。]{4,4096}+))",
    re.IGNORECASE,
)
_DUMMY: Final = re.compile(
    r"(?:true|false|null|none|nil|yes|no|required|optional|string|str|text|bytes|hidden|redacted|example|changeme"
    r"|undefined|empty|\*+|•+|x+|\.+|…)\Z|\$|%[({A-Z]|\{\{|(?:os\.|process\.|env[.(\[]|getenv|secrets\.|vault:)",
    re.IGNORECASE,
)
_STRICT_SIGNS: Final = (":=", "=>", "=", "==", "===")
_TELLING: Final = re.compile(r"[0-9!@#$%^&*+=?~]")
# `password = settings.password`, `password: dict[str, int]`
_CODE: Final = re.compile(r"[a-z_]+(?:\.[A-Za-z_]+)+(?:\[|\Z)|[a-z]+\[")
_MASKED: Final = re.compile(r"[*•x.…]+", re.IGNORECASE)


class Credentials:
    """Finds keys, tokens and passwords; words that merely tell of them are left."""

    def find(self, page: Legible) -> Iterator[Finding]:
        """Find secrets."""
        yield from _by_form(page)
        yield from private_keys(page)
        if "://" in page.text:
            yield from _shown(_URL_PASSWORD.finditer(page.text))
        yield from _shown(_BEARER.match(page.text, end) for _, end in page.after(_SCHEMES))
        last, reached = "", 0
        for name, end in page.after(_NAMES):
            if name == last and end < reached:
                continue
            if match := _ASSIGNED.match(page.text, end):
                last, reached = name, match.end()
                yield from _assigned(name, match)


def _by_form(page: Legible) -> Iterator[Finding]:
    for starts, patterns in _FORMS:
        if any(start in page.small for start in starts):
            for pattern in patterns:
                yield from _matches(page.text, pattern)
    if any(start in page.small for start in _TOKEN_STARTS):
        yield from _matches(page.text, _TOKENS)


def _matches(text: str, pattern: re.Pattern[str]) -> Iterator[Finding]:
    """Find what a pattern matches, or its group where that is long enough to be the secret itself."""
    for match in pattern.finditer(text):
        start, end = match.span()
        for group in range(1, pattern.groups + 1):
            if len(match[group] or "") >= 16:
                start, end = match.span(group)
        written = text[start:end]
        start += len(written) - len(written.lstrip(' \t\r\n=:"'))
        end -= len(written) - len(written.rstrip(' \t\r\n"'))
        yield Finding(start, end, "secret", text[start:end])


def _shown(matches: Iterable[re.Match[str] | None]) -> Iterator[Finding]:
    """Find the first group of matches, unless it is masked already."""
    for match in matches:
        if match is not None and not _MASKED.fullmatch(match[1]):
            yield Finding(*match.span(1), "secret", match[1])


def _assigned(name: str, match: re.Match[str]) -> Iterator[Finding]:
    group = match.lastgroup or "bare"
    value = match[group]
    if _DUMMY.match(value) or (name == "token" and not (len(value) >= 16 and _TELLING.search(value))):
        return
    if group == "bare" and _CODE.match(value):
        return
    if group == "bare" and match["sign"] not in _STRICT_SIGNS:
        # In a sentence, a word without a figure or sign is more likely to be about the password.
        value = value.rstrip(".:!?")
        if not _TELLING.search(value):
            return
    yield Finding(match.start(group), match.start(group) + len(value), "secret", value)
