// A page that waits for a payment event reloads by itself. Without this script, the reader presses "Look again".
const waiting = document.getElementById("waiting");

setTimeout(() => location.replace(waiting.dataset.refreshUrl), Number(waiting.dataset.refreshAfter) * 1000);
