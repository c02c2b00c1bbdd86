"""A software device that holds a passkey, and answers as a browser passes its answers on."""

import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from fido2.cose import ES256
from fido2.utils import sha256, websafe_decode, websafe_encode
from fido2.webauthn import (
    Aaguid,
    AttestationObject,
    AttestedCredentialData,
    AuthenticatorData,
    CollectedClientData,
)

FLAG = AuthenticatorData.FLAG


class Authenticator:
    def __init__(self, *, origin: str) -> None:
        self.origin = origin
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.id = sha256(origin.encode()) + self.key.private_numbers().private_value.to_bytes(32, "big")[:8]
        self.counter = 0

    def make(self, options: dict[str, Any]) -> str:
        """Return its answer to a request to create a passkey."""
        public = AttestedCredentialData.create(Aaguid.NONE, self.id, ES256.from_cryptography_key(self.key.public_key()))
        data = self._data(options["rp"]["id"], FLAG.UP | FLAG.AT, public)
        said = AttestationObject.create("none", data, {})
        client = self._client("webauthn.create", options)
        return self._answer({"clientDataJSON": client, "attestationObject": said})

    def use(self, options: dict[str, Any]) -> str:
        """Return its answer to a request to identify itself."""
        self.counter += 1
        data = self._data(options["rpId"], FLAG.UP)
        client = self._client("webauthn.get", options)
        signature = self.key.sign(data + client.hash, ec.ECDSA(SHA256()))
        return self._answer({"clientDataJSON": client, "authenticatorData": data, "signature": signature})

    def _data(self, site: str, flags: Any, public: Any = b"") -> AuthenticatorData:
        return AuthenticatorData.create(sha256(site.encode()), flags, self.counter, public)

    def _client(self, kind: str, options: dict[str, Any]) -> CollectedClientData:
        return CollectedClientData.create(kind, websafe_decode(options["challenge"]), self.origin)

    def _answer(self, response: dict[str, bytes]) -> str:
        own = {"id": websafe_encode(self.id), "rawId": websafe_encode(self.id), "type": "public-key"}
        return json.dumps(own | {"response": {name: websafe_encode(said) for name, said in response.items()}})
