// Asks for the state of the order every two seconds and opens the payment bridge inside WeChat.
const page = document.querySelector("[data-order]");
if (page) {
  const until = Date.parse(page.dataset.expires);
  const clock = page.querySelector("[data-clock]");
  const tick = () => {
    const left = Math.max(0, Math.round((until - Date.now()) / 1000));
    const text = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    if (clock) clock.textContent = ` · ${clock.dataset.left.replace("{}", text)}`;
  };
  const look = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(page.dataset.state, { cache: "no-store" });
      if (!answer.ok) return;
      const body = await answer.json();
      if (!["created", "pending"].includes(body.state)) location.replace(page.dataset.result);
    } catch { /* the next look may succeed */ }
  };
  setInterval(tick, 1000);
  setInterval(look, 2000);
  tick();
  const bridge = page.querySelector("[data-bridge]");
  if (bridge) {
    const pay = () => window.WeixinJSBridge.invoke("getBrandWCPayRequest", JSON.parse(bridge.dataset.bridge), look);
    bridge.addEventListener("click", () => { if (window.WeixinJSBridge) pay(); });
    if (window.WeixinJSBridge) pay();
    else document.addEventListener("WeixinJSBridgeReady", pay, { once: true });
  }
}
