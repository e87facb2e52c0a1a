/* Before the first paint: Airflow's own choice of theme, which it keeps in this browser. */
"use strict";
(function () {
  const system = window.matchMedia("(prefers-color-scheme: dark)");

  function chosen() {
    try {
      return window.localStorage.getItem("theme");
    } catch {
      return null; // storage is closed to this page: the system's theme serves
    }
  }

  function apply() {
    const theme = chosen();
    const dark = theme === "dark" || (theme !== "light" && system.matches);
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    document.dispatchEvent(new CustomEvent("themechange"));
  }

  apply();
  system.addEventListener("change", apply);
  window.addEventListener("storage", (event) => event.key === "theme" && apply());
})();
