(function () {
  "use strict";
  var root = document.documentElement;
  var button = document.getElementById("theme");
  var dark = window.matchMedia("(prefers-color-scheme: dark)");
  function current() {
    return root.getAttribute("data-theme") || (dark.matches ? "dark" : "light");
  }
  function name() {
    button.textContent = current() === "dark" ? "Light" : "Dark";
    button.setAttribute("aria-label", button.textContent + " colours");
  }
  button.addEventListener("click", function () {
    root.setAttribute("data-theme", current() === "dark" ? "light" : "dark");
    name();
  });
  if (dark.addEventListener) {
    dark.addEventListener("change", name);
  }
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("details.fold").forEach(function (one) { one.open = true; });
  });
  button.hidden = false;
  name();
})();
