// Labels the landmarks of the back office's frame, so that two of a kind can be told apart, and scrolls to the current
// page's tab. Nothing else depends on it.
window.addEventListener("load", () => {
  const names = { "nav-sidebar-inner": "Back office", "tabs-items": "Lists beside this one" };
  for (const [id, name] of Object.entries(names)) {
    document.getElementById(id)?.setAttribute("aria-label", name);
  }
  document.querySelectorAll(".simplebar-content-wrapper").forEach((region, number) => {
    const name = region.closest("#nav-sidebar") ? "Pages, scrollable" : `Content ${number}, scrollable`;
    region.setAttribute("aria-label", name);
  });
  document.querySelector("#tabs-items .active")?.scrollIntoView({ block: "nearest", inline: "nearest" });
});
