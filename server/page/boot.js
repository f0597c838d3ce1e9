// Runs before the first paint, so that a chosen theme never flashes in the other one. Nothing else belongs here.
(() => {
  "use strict";
  const read = (key) => {
    try {
      return localStorage.getItem(key);
    } catch {
      return null; // storage is off: the system's choice stands
    }
  };
  const theme = read("theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
  const chosen = read("language");
  const known = chosen === "tr" || chosen === "en" ? chosen : null;
  const first = (navigator.languages?.[0] ?? navigator.language ?? "en").toLowerCase();
  document.documentElement.lang = known ?? (first.startsWith("tr") ? "tr" : "en");
})();
