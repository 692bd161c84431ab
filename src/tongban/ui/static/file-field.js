// The browser says "Choose File" in its own language; the page says it in its own 选文件. Imported where a page has such a field.
for (const input of document.querySelectorAll(".fld.file > input[type=file]")) {
  const button = Object.assign(document.createElement("span"), { className: "btn s sm", textContent: input.capture ? "拍照" : "选择文件" });
  button.setAttribute("aria-hidden", "true"); // the field itself takes the keys and is read out
  button.addEventListener("click", () => input.click());
  const name = Object.assign(document.createElement("span"), { className: "hint", role: "status" });
  const line = Object.assign(document.createElement("div"), { className: "picked" });
  const say = () => { name.textContent = input.files.length ? [...input.files].map((one) => one.name).join("、") : "还没有选"; };
  line.append(button, name);
  input.classList.add("vh");
  input.after(line);
  input.addEventListener("change", say);
  input.form?.addEventListener("reset", () => setTimeout(say)); // the form is emptied after it has said so
  addEventListener("pageshow", say);
  say();
}
