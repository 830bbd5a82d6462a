// Asks about a payment at once after a provider's page sent the browser back; the button does the same.
const form = document.querySelector("[data-ask] form");
if (form) form.requestSubmit();
