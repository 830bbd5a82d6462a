// Shows the chosen amount on the button and counts the message. The form works without this file.
const form = document.querySelector("[data-donate]");
if (form) {
  const button = form.querySelector("[data-submit]");
  const own = form.querySelector("[name=own_amount]");
  const message = form.querySelector("[name=message]");
  const counter = form.querySelector("[data-count]");
  const amount = () => {
    const typed = own.value.trim();
    if (typed) return /^(0|[1-9]\d*)(\.\d{1,2})?$/.test(typed) ? typed : "";
    const chosen = form.querySelector("[name=preset]:checked");
    return chosen ? chosen.dataset.label : "";
  };
  const show = () => {
    const value = amount();
    const words = form.querySelector("[name=often][value=monthly]:checked") ? button.dataset.withMonthly : button.dataset.with;
    const text = value ? words.replace("{}", value) : button.dataset.without;
    // Text changed between press and release would lose the click: leaving a field must not touch it.
    if (button.textContent !== text) button.textContent = text;
    if (counter) counter.textContent = `${[...message.value].length} / 60`;
  };
  own.addEventListener("input", () => {
    if (own.value.trim()) form.querySelectorAll("[name=preset]").forEach((radio) => { radio.checked = false; });
    show();
  });
  form.addEventListener("change", (event) => {
    if (event.target.name === "preset") own.value = "";
    show();
  });
  const payer = form.querySelector("[data-payer]");
  const showPayer = () => { payer.hidden = !form.querySelector("[name=fiscal][value=yes]").checked; };
  if (payer) { form.addEventListener("change", showPayer); window.addEventListener("pageshow", showPayer); showPayer(); }
  form.addEventListener("input", show);
  form.addEventListener("submit", () => { button.disabled = true; button.textContent = button.dataset.busy; });
  window.addEventListener("pageshow", () => { button.disabled = false; show(); });
  show();
}
