// The sample picture: an evening, drawn here, so that no photo travels with the page.

const WIDTH = 480;
const HEIGHT = 320;

export async function drawPhoto() {
  const canvas = document.createElement("canvas");
  canvas.width = WIDTH;
  canvas.height = HEIGHT;
  const pen = canvas.getContext("2d");
  const sky = pen.createLinearGradient(0, 0, 0, HEIGHT);
  const bands = ["#27406b", "#7d5a8c", "#e2825f", "#f6c56d"];
  bands.forEach((colour, index) => sky.addColorStop((index / bands.length) * 0.9, colour));
  pen.fillStyle = sky;
  pen.fillRect(0, 0, WIDTH, HEIGHT);
  pen.fillStyle = "#fff3c9";
  pen.beginPath();
  pen.arc(330, 176, 38, 0, 7);
  pen.fill();
  for (const [height, length, shift, colour] of [
    [206, 61, 0, "#8a5a66"], [236, 47, 2, "#4f4a5c"], [272, 83, 4, "#2c3a3a"],
  ]) {
    pen.fillStyle = colour;
    pen.beginPath();
    pen.moveTo(0, HEIGHT);
    for (let x = 0; x <= WIDTH; x += 4) {
      pen.lineTo(x, height - 16 * Math.sin(x / length + shift) - 7 * Math.sin(x / 17 + shift));
    }
    pen.lineTo(WIDTH, HEIGHT);
    pen.fill();
  }
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.85));
  return blob;
}
