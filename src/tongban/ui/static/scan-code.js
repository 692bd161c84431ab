// 扫一扫: the camera and the photo are read in this browser; what was read goes to our own node, which alone says what it is (T-59).
// This script opens nothing and follows nothing.
import { scan } from "./offline-scan.js";

const LARGEST = 1600, PAUSE = 120;
const form = document.querySelector("[data-scan]"), code = form.querySelector("#f-code"), photo = form.querySelector("#f-photo");
const camera = form.querySelector("[data-camera]"), video = form.querySelector("video"), wrong = form.querySelector("[data-wrong]");
let stream;

function pixels(source, width, height) {
  const scale = Math.min(1, LARGEST / Math.max(width, height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.drawImage(source, 0, 0, canvas.width, canvas.height);
  return pen.getImageData(0, 0, canvas.width, canvas.height);
}

async function read(source, width, height) {
  if ("BarcodeDetector" in window) {
    const found = await new BarcodeDetector({ formats: ["qr_code"] }).detect(source).catch(() => []);
    if (found.length) return found[0].rawValue;
  }
  return width && height ? scan(pixels(source, width, height)) : "";
}

function darken() {
  for (const one of stream ? stream.getTracks() : []) one.stop();
  stream = undefined;
  video.hidden = true;
  camera.textContent = "用摄像头扫";
}

function send(text) {
  code.value = text;
  photo.value = "";
  form.submit();
}

form.addEventListener("submit", async (event) => {
  if (code.value.trim() || !photo.files.length) return;
  event.preventDefault();
  event.stopPropagation();
  const bitmap = await createImageBitmap(photo.files[0]).catch(() => null);
  const text = bitmap && await read(bitmap, bitmap.width, bitmap.height);
  if (text) send(text); else form.submit(); // our node reads harder photos
}, true);

if (navigator.mediaDevices?.getUserMedia) {
  camera.hidden = false;
  camera.addEventListener("click", async () => {
    if (stream) { darken(); return; }
    wrong.textContent = "";
    try { stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1280 } } }); } catch { wrong.textContent = "摄像头打不开，可以拍照上传"; return; }
    video.srcObject = stream;
    video.hidden = false;
    camera.textContent = "关掉摄像头";
    await video.play();
    while (stream) {
      const text = await read(video, video.videoWidth, video.videoHeight);
      if (text && stream) { darken(); send(text); return; }
      await new Promise((next) => { setTimeout(next, PAUSE); });
    }
  });
}
