"""Named leases over HTTP. Nothing here renews by itself: who works under a lease must notice when it is lost."""

from arc.client.http import Http
from arc.client.views import noun
from arc.core.ids import check_name
from arc.core.lease import TTL_S, Lease, check_ttl


class LeaseCalls:
    """Acquire, renew, release and list leases.

    Count `left_s` from before the call, for the answer took time. An acquisition whose answer was lost ends by itself.
    """

    def __init__(self, http: Http) -> None:
        self._http = http

    def acquire(self, name: str, *, owner: str | None = None, ttl_s: float = TTL_S) -> Lease:
        """Take the lease; Conflict naming its holder and its expiry while it is taken."""
        given = {"owner": owner} if owner is not None else {}
        return self._change(name, action="acquire", ttl_s=check_ttl(ttl_s), **given)

    def renew(self, name: str, *, token: int, ttl_s: float = TTL_S) -> Lease:
        """Hold the lease for `ttl_s` from now; Conflict when it is lost: then stop what it was for."""
        return self._change(name, action="renew", token=token, ttl_s=check_ttl(ttl_s))

    def release(self, name: str, *, token: int) -> Lease:
        """End the lease; Conflict when it is lost already."""
        return self._change(name, action="release", token=token)

    def all(self) -> list[Lease]:
        """Every lease that is held, by name."""
        return [noun(Lease, item) for item in self._http.get("/leases")["items"]]

    def _change(self, name: str, **wanted: str | float) -> Lease:
        return noun(Lease, self._http.send("POST", f"/leases/{check_name(name, field='name')}", body=wanted))
