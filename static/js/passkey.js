// Asks the browser to create a passkey, or to sign in with one, and submits the result with the form. Without this
// script, the authenticator app serves the same purpose.
const form = document.querySelector("form[data-passkey]");
const asked = JSON.parse(form.dataset.passkey);
const failure = document.getElementById("passkey-failure");

const bytesOf = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (sign) => sign.charCodeAt(0));
const textOf = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const keysOf = (listed) => (listed || []).map((key) => ({ ...key, id: bytesOf(key.id) }));

const REASONS = {
  InvalidStateError: "This device holds a passkey of yours already.",
  SecurityError: "Passkeys work on the public address of this site alone.",
};

async function makePasskey() {
  const made = await navigator.credentials.create({
    publicKey: {
      ...asked,
      challenge: bytesOf(asked.challenge),
      user: { ...asked.user, id: bytesOf(asked.user.id) },
      excludeCredentials: keysOf(asked.excludeCredentials),
    },
  });
  return answerOf(made, { attestationObject: textOf(made.response.attestationObject) });
}

async function usePasskey() {
  const used = await navigator.credentials.get({
    publicKey: { ...asked, challenge: bytesOf(asked.challenge), allowCredentials: keysOf(asked.allowCredentials) },
  });
  return answerOf(used, {
    authenticatorData: textOf(used.response.authenticatorData),
    signature: textOf(used.response.signature),
  });
}

function answerOf(credential, response) {
  return JSON.stringify({
    id: credential.id,
    rawId: textOf(credential.rawId),
    type: credential.type,
    clientExtensionResults: {},
    response: { clientDataJSON: textOf(credential.response.clientDataJSON), ...response },
  });
}

async function send(answer) {
  failure.hidden = true;
  try {
    form.elements.answer.value = await answer();
    form.submit();
  } catch (error) {
    failure.textContent = REASONS[error.name] || "That did not work, or was canceled. Try it again.";
    failure.hidden = false;
  }
}

const button = document.getElementById("use-passkey");
if (!window.PublicKeyCredential) {
  failure.textContent = "This browser knows no passkeys.";
  failure.hidden = false;
} else if (button) {
  button.hidden = false;
  button.addEventListener("click", () => send(usePasskey));
} else {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(makePasskey);
  });
}
