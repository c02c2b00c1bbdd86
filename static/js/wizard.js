// Warns at once when two chosen classes overlap; without this script, the server does so after "Confirm".
const form = document.getElementById("wizard");
const taken = [...document.querySelectorAll("[data-taken]")];

const overlap = (one, other) =>
  Number(one.dataset.starts) < Number(other.dataset.ends) && Number(other.dataset.starts) < Number(one.dataset.ends);

function check() {
  const chosen = [...form.querySelectorAll("input[type=radio]:checked")];
  for (const step of form.querySelectorAll("fieldset")) {
    const mine = step.querySelector("input[type=radio]:checked");
    const clashes = mine && [...taken, ...chosen].some((other) => other !== mine && overlap(mine, other));
    const trouble = step.querySelector("[data-trouble]");
    trouble.hidden = !clashes;
    trouble.textContent = clashes ? form.dataset.overlap : "";
  }
}

form.addEventListener("change", check);
