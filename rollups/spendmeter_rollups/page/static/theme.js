// Blocking, in the head: a theme applied later would flash. The choice is stored; without one the system's theme applies.
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let choice = null;
  try { choice = localStorage.getItem("theme"); } catch { /* storage is blocked */ }
  const apply = () => {
    const own = document.documentElement.dataset.choice;
    document.documentElement.dataset.theme = own === "light" || own === "dark" ? own : dark.matches ? "dark" : "light";
    window.dispatchEvent(new Event("theme"));
  };
  document.documentElement.dataset.choice = choice === "light" || choice === "dark" ? choice : "auto";
  dark.addEventListener("change", apply);
  window.addEventListener("choose", apply);
  apply();
})();
