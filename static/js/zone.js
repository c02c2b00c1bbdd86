// Tell the server the visitor's time zone, so that it writes times as their clock shows them. Without this script times
// are written in the zone of the class, with its name.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const [cookie, only] = location.protocol === "https:" ? ["__Host-tz", "; secure"] : ["tz", ""];
const known = () => document.cookie.split("; ").includes(`${cookie}=${zone}`);

if (zone && !known()) {
  document.cookie = `${cookie}=${zone}; path=/; max-age=31536000; samesite=lax${only}`;
  // Once only: a browser that keeps no cookies reads on in the zone of the class.
  if (known() && document.querySelector("[data-times]")) location.reload();
}
