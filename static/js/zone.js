// Tells the server the visitor's time zone, so that it shows times in that zone. Without this script, times are shown
// in the class's time zone, with its name.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const [cookie, only] = location.protocol === "https:" ? ["__Host-tz", "; secure"] : ["tz", ""];
const known = () => document.cookie.split("; ").includes(`${cookie}=${zone}`);

if (zone && !known()) {
  document.cookie = `${cookie}=${zone}; path=/; max-age=31536000; samesite=lax${only}`;
  // Only once: a browser without cookies continues with the class's time zone.
  if (known() && document.querySelector("[data-times]")) location.reload();
}
