// What a check sees on a page (ux.md A3-A6, A9): small hit areas, small letters, tight lines, sideways scroll, headings.
({elder}) => {
  const need = elder ? 60 : 44, least = elder ? 18 : 14, out = {small: [], fonts: [], lh: [], overflow: null, h1: null};
  const seen = (e) => { const r = e.getBoundingClientRect(); const s = getComputedStyle(e); return r.width > 1 && r.height > 1 && s.visibility !== "hidden" && s.display !== "none" && r.bottom > 0; };
  for (const e of document.querySelectorAll("a[href],button,input:not([type=hidden]),select,textarea,summary")) {
    if (!seen(e) || e.closest(".skip")) continue;
    if (e.matches(".skip")) continue;
    let r = e.getBoundingClientRect();
    const label = e.matches("input[type=radio],input[type=checkbox]") && (e.closest("label") || document.querySelector(`label[for="${e.id}"]`));
    if (label) r = label.getBoundingClientRect();
    const after = getComputedStyle(e, "::after");
    if (after.position === "absolute" && after.content !== "none") { const p = e.closest("li,.card"); if (p) r = p.getBoundingClientRect(); }
    const inSentence = e.matches("p a") && !e.matches(".btn,.lk") ;
    if ((r.width < need - .5 || r.height < need - .5) && !inSentence) out.small.push([e.outerHTML.slice(0, 90), Math.round(r.width), Math.round(r.height)]);
  }
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const sizes = new Set();
  while (walker.nextNode()) {
    const t = walker.currentNode; if (!t.textContent.trim()) continue;
    const e = t.parentElement; if (!seen(e) || e.closest("script,style,noscript,.vh,.skip")) continue;
    const s = getComputedStyle(e), f = parseFloat(s.fontSize), l = parseFloat(s.lineHeight) / f;
    if (f < least - .01) out.fonts.push([e.outerHTML.slice(0, 80), f]);
    if (l < 1.295) out.lh.push([e.outerHTML.slice(0, 80), l]);
    if (e.matches("p") && l < 1.45 && t.textContent.length > 40) out.lh.push(["p " + e.outerHTML.slice(0, 80), l]);
  }
  if (document.documentElement.scrollWidth > innerWidth) { out.overflow = [document.documentElement.scrollWidth, innerWidth, [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".vh,.tw")).slice(0, 4).map((e) => e.outerHTML.slice(0, 100))]; }
  const h1 = [...document.querySelectorAll("h1")].filter(seen).length; if (h1 !== 1 && !document.querySelector("h1.vh")) out.h1 = h1;
  out.small = out.small.slice(0, 8); out.fonts = out.fonts.slice(0, 5); out.lh = out.lh.slice(0, 5);
  return out;
}
