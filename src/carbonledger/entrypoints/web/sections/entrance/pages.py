"""The way in: signing in (``entering``), the pages of mailed links (``links``), the files that pages load, search, the methodology."""

from __future__ import annotations

import functools
import hashlib
from typing import Final

from carbonledger.entrypoints.rest import routing
from carbonledger.entrypoints.shared import access, exchange
from carbonledger.entrypoints.web import assets, finding, methodology, rendering, routes, screens
from carbonledger.entrypoints.web.sections.entrance import entering, links
from carbonledger.kernel import errors

_FOREVER: Final = b"public, max-age=31536000, immutable"
_PUBLIC: Final = access.public(limit="public")

router = routes.Router()
router.routes += [*entering.router.routes, *links.router.routes]


class FileUnknown(errors.NotFound):
    """There is no such file here."""

    code = "file_not_found"


@router.page("/methodology", _PUBLIC)
async def show_methodology(call: routing.CallDep) -> exchange.Answer:
    """Show every number of the factor set and the price book to whoever wants to judge it."""
    text, etag = _methodology()
    headers: list[exchange.Header] = [(b"etag", etag.encode()), (b"cache-control", b"no-cache")]
    if call.exchange.headers.get("if-none-match") == etag:
        return exchange.Answer(304, media_type=None, headers=[*headers, (b"content-security-policy", screens.POLICY.encode())])
    answer = screens.html(call.exchange, text)
    answer.headers += headers
    return answer


@functools.cache
def _methodology() -> tuple[str, str]:
    text = rendering.render("entrance/methodology.html", {"title": "Methodology", "content": methodology.content()})
    return text, f'"{hashlib.sha256(text.encode()).hexdigest()[:20]}"'


@router.page("/static/{name}", _PUBLIC)
async def get_static(call: routing.CallDep, name: str) -> exchange.Answer:
    """Return one of the files that pages load."""
    found = assets.find(name)
    if found is None:
        raise FileUnknown(f"There is no file {name!r}.")
    asset, is_changing = found
    headers: list[exchange.Header] = [
        (b"etag", asset.etag.encode()),
        # By its plain name it is asked for each time, and answered 304.
        (b"cache-control", _FOREVER if is_changing else b"no-cache"),
        (b"content-security-policy", screens.POLICY.encode()),
        (b"vary", b"accept-encoding"),
    ]
    if call.exchange.headers.get("if-none-match") == asset.etag:
        return exchange.Answer(304, media_type=None, headers=headers)
    is_packed = "gzip" in call.exchange.headers.get("accept-encoding", "") and len(asset.packed) < len(asset.content)
    if is_packed:
        headers.append((b"content-encoding", b"gzip"))
    body = asset.packed if is_packed else asset.content
    return exchange.Answer(200, body=body, media_type=asset.media_type.encode(), headers=headers)


@router.page("/search", access.scope("organization:read"))
async def search(call: routing.CallDep) -> exchange.Answer:
    """Find sections, projects and models by name or id."""
    asked = screens.query(call).text("q").strip()[: finding.CHARS_MAX]
    # Not a transaction of reading: the default project is made at the first look.
    async with screens.writing(call) as uow:
        found = await finding.find(call, uow, asked)
        if len(found) == 1 and found[0].is_exact:
            return screens.go(found[0].href)
        return await screens.show(call, uow, "entrance/search.html", section="", title="Search", q=asked, found=found)
