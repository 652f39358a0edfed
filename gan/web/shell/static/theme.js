// Light or dark as chosen last, before anything is painted; without a choice the system's preference holds.
try {
  const chosen = localStorage.getItem("theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // storage is switched off: the preference of the system holds
}
