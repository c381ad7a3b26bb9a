"""Route of bytes: a published artifact by its digest, to be saved and never shown.

An artifact may hold whatever a recipe wrote, HTML with scripts included. So it is always an attachment of
type octet-stream, and if a browser showed it all the same it would be in a sandbox without an origin.
"""

import re
from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import FileResponse, Response

from arc.api.routing import ArcRoute, House, viewer
from arc.core.errors import NotFound
from arc.jobs import reading

router = APIRouter(route_class=ArcRoute, tags=["artifacts"])
Digest = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the bytes, in hex.")]
_HEADERS = {"Content-Security-Policy": "sandbox; default-src 'none'", "X-Content-Type-Options": "nosniff"}
_BYTES = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}


@router.get(
    "/artifacts/{digest}",
    **viewer,
    response_class=FileResponse,
    responses={
        200: {"description": "The bytes, as an attachment.", **_BYTES},
        206: {"description": "The part that `Range` names.", **_BYTES},
        416: {"description": "The bytes do not have that part.", "content": {"text/plain": {"schema": {"type": "string"}}}},
    },
)
def download(digest: Digest, house: House) -> Response:
    """The bytes of a published artifact; a part of them with `Range`."""
    artifact, path = reading.published(house.store, house.artifacts, digest)
    if not path.is_file():
        raise NotFound(f"the bytes of artifact {digest} are gone", field="digest", value=digest)
    name = re.sub(r"[^A-Za-z0-9._-]", "_", artifact.name)[-128:] or "artifact"
    return FileResponse(path, media_type="application/octet-stream", filename=name, headers=dict(_HEADERS))
