// A page that waits for a payment notice looks again by itself. Without this script the reader's "Look again" does it.
const waiting = document.getElementById("waiting");

setTimeout(() => location.replace(waiting.dataset.refreshUrl), Number(waiting.dataset.refreshAfter) * 1000);
