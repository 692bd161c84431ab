// What a person would notice on a page, measured: names of too small targets, too small words, sideways scrolling.
({ least, font }) => {
  const seen = (one) => {
    const box = one.getBoundingClientRect();
    const style = getComputedStyle(one);
    return box.width > 2 && box.height > 2 && style.visibility !== "hidden" && style.clip !== "rect(0px, 0px, 0px, 0px)"
      && style.clipPath !== "inset(50%)" && !one.closest("[hidden]");
  };
  const name = (one) => `${one.tagName.toLowerCase()} “${(one.getAttribute("aria-label") || one.textContent || one.name || "").trim().slice(0, 24)}”`;
  const small = [];
  for (const one of document.querySelectorAll("a[href],button,input:not([type=hidden]),select,textarea,summary")) {
    let target = one;
    if (one.matches("input") && /radio|checkbox/.test(one.type)) target = one.closest("label") || document.querySelector(`label[for="${CSS.escape(one.id)}"]`) || one;
    if (!seen(target)) continue;
    const style = getComputedStyle(one);
    // WCAG 2.5.8: a link in a sentence is as high as its line
    if (one.matches("a") && style.display === "inline" && one.parentElement.textContent.trim().length > one.textContent.trim().length + 1) continue;
    if (one.matches("a") && one.closest("p,dd,li") && style.display.startsWith("inline")
      && one.closest("p,dd,li").textContent.trim().length > one.textContent.trim().length + 1) continue;
    const box = target.getBoundingClientRect();
    let { width, height } = box;
    for (const part of ["::before", "::after"]) {
      const extra = getComputedStyle(one, part);
      if (extra.content === "none" || extra.position !== "absolute") continue;
      const inset = ["top", "right", "bottom", "left"].map((side) => parseFloat(extra[side]));
      const base = style.position === "static" ? one.offsetParent : one;
      if (!base || inset.some(Number.isNaN)) continue;
      const around = base.getBoundingClientRect();
      width = Math.max(width, around.width - inset[1] - inset[3]);
      height = Math.max(height, around.height - inset[0] - inset[2]);
    }
    if (Math.min(width, height) < least - 0.5) small.push(`${name(one)} ${width.toFixed(0)}×${height.toFixed(0)}`);
  }
  const tiny = new Set();
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (words.nextNode()) {
    const one = words.currentNode.parentElement;
    if (!words.currentNode.textContent.trim() || one.closest("svg,script,style,noscript,option,[hidden],.vh")) continue;
    if (!seen(one)) continue;
    const size = parseFloat(getComputedStyle(one).fontSize);
    if (size < font - 0.05) tiny.add(`“${words.currentNode.textContent.trim().slice(0, 20)}” ${size}px`);
  }
  return {
    small, tiny: [...tiny], title: document.title, lang: document.documentElement.lang, mode: document.documentElement.dataset.mode || "",
    h1: document.querySelectorAll("h1").length, dead: document.querySelectorAll('a[href="#"]').length,
  };
}
