"""Tokens over HTTP; for admins."""

from urllib.parse import quote

from arc.client.http import Http
from arc.client.views import noun
from arc.core.access import Role, Token


class TokenCalls:
    """Make, list, revoke and rotate tokens."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def create(self, name: str, role: Role) -> tuple[Token, str]:
        """A new token and its secret, which is shown this once."""
        answer = self._http.send("POST", "/tokens", body={"name": name, "role": role.value})
        return noun(Token, answer), str(answer["token"])

    def all(self) -> list[Token]:
        """Every token, revoked ones too; never a secret."""
        return [noun(Token, item) for item in self._http.get("/tokens")["items"]]

    def revoke(self, token_id: str) -> None:
        """End a token at once; NotFound."""
        self._http.send("DELETE", f"/tokens/{quote(token_id, safe='')}")

    def rotate(self, token_id: str) -> tuple[Token, str]:
        """A new secret for the same name and role; the old one ends at once."""
        answer = self._http.send("POST", f"/tokens/{quote(token_id, safe='')}/rotate")
        return noun(Token, answer), str(answer["token"])
