// Keyboard shortcuts for the reviewers' desk: each key activates the link, button, or fold that names it in data-key.
// Without this script, everything can still be clicked.
const keyed = (key) => document.querySelector(`.review [data-key="${CSS.escape(key)}"]`);
const isTyping = (target) => target.matches("textarea, select, input:not([type=radio])");
const openFold = () => document.querySelector(".review details[open][name=answer]");

function unfold(fold) {
  fold.open = !fold.open;
  if (!fold.open) return;
  const first = fold.querySelector("input[type=radio], textarea[required], button[type=submit]");
  if (first) first.focus();
  fold.scrollIntoView({ block: "nearest" });
}

function chooseReason(number) {
  const reason = document.querySelectorAll(".review details[open] [data-text]")[number - 1];
  if (!reason) return false;
  reason.click();
  reason.focus();
  return true;
}

document.addEventListener("keydown", (event) => {
  const { target, key } = event;
  if (key === "Escape" && openFold()) {
    openFold().open = false;
    target.blur();
    return;
  }
  if (key === "Enter" && (event.ctrlKey || event.metaKey) && target.form?.closest(".review")) {
    target.form.querySelector("button[type=submit]").click();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(target)) return;
  if (/^[1-9]$/.test(key) && chooseReason(Number(key))) return event.preventDefault();
  const pressed = keyed(key);
  if (!pressed) return;
  event.preventDefault();
  if (pressed.matches("details")) unfold(pressed);
  else pressed.click();
});

// A chosen reason is copied into the field, where it can be reworded for this family.
for (const reason of document.querySelectorAll(".review [data-text]")) {
  reason.addEventListener("change", () => {
    reason.form.elements.reason.value = reason.dataset.text;
  });
}

// An answer's notice counts down while it can be undone, and then disappears.
function countDown(notice) {
  const seconds = Math.ceil((Date.parse(notice.dataset.until) - Date.now()) / 1000);
  notice.querySelector("[data-left]").textContent = seconds > 0 ? `${seconds} s` : "";
  if (seconds > 0) setTimeout(countDown, 250, notice);
  else notice.remove();
}

document.querySelectorAll(".review [data-until]").forEach(countDown);
