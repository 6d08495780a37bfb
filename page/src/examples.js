// Programs to begin with. Each is run by the tests as a caller without a key.

import { drawPhoto } from "./photo.js";

export const EXAMPLES = [
  {
    name: "Hello",
    code: `import sys

name = sys.stdin.read().strip() or "world"
print(f"Hello, {name}!")
`,
    stdin: "Alice",
  },
  {
    name: "Gray photo",
    code: `from PIL import Image

with Image.open("input_photo.jpg") as photo:
    photo.convert("L").save("output_grayscale.png")

print("Image successfully converted to grayscale.")
`,
    files: [["input_photo.jpg", drawPhoto]],
    wanted: ["output_grayscale.png"],
  },
  {
    name: "numpy",
    code: `import numpy as np

# A hundred thousand walks of a hundred steps: how far does one get?
random = np.random.default_rng(7)
steps = random.choice([-1, 1], size=(100_000, 100))
ends = steps.sum(axis=1)

print(f"mean {ends.mean():+.3f}, deviation {ends.std():.3f}")
for low in range(-30, 30, 6):
    share = ((ends >= low) & (ends < low + 6)).mean()
    print(f"{low:+4d} … {low + 5:+4d} {'█' * round(share * 120)}")
`,
  },
  {
    name: "Plot",
    code: `from math import cos, pi, sin
from PIL import Image, ImageDraw

SIZE, TURNS, STEPS = 640, 34, 6000
image = Image.new("RGB", (SIZE, SIZE), "#14211c")
draw = ImageDraw.Draw(image)

def point(t):
    r = SIZE * 0.29 * (1 + 0.5 * sin(5.03 * t))
    return SIZE / 2 + r * cos(t), SIZE / 2 + r * sin(t)

for step in range(STEPS):
    t = 2 * pi * TURNS * step / STEPS
    glow = 0.5 + 0.5 * sin(t / TURNS)
    colour = (int(90 + 150 * glow), int(190 - 20 * glow), int(130 - 50 * glow))
    draw.line([point(t), point(t + 2 * pi * TURNS / STEPS)], fill=colour, width=2)

image.save("plot.png")
print("drawn:", STEPS, "lines")
`,
    wanted: ["plot.png"],
  },
  {
    name: "PDF",
    code: `import sys
from fpdf import FPDF

pdf = FPDF()
pdf.add_page()
pdf.set_font("helvetica", "B", 24)
pdf.cell(0, 16, "A letter from a sandbox", new_x="LMARGIN", new_y="NEXT")
pdf.set_font("helvetica", size=12)
for line in sys.stdin:
    pdf.multi_cell(0, 8, line.strip(), new_x="LMARGIN", new_y="NEXT")
pdf.output("letter.pdf")
print(pdf.page_no(), "page")
`,
    stdin: "Dear reader,\nthis page was set by a program that nobody vouches for.\n",
    wanted: ["letter.pdf"],
  },
  {
    name: "SVG",
    code: `from math import cos, pi, sin

petals = []
for n in range(24):
    a = n * pi / 12
    x, y = 100 + 55 * cos(a), 100 + 55 * sin(a)
    petals.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="30" fill="hsl({n * 15} 55% 55%)" fill-opacity=".3"/>')

with open("flower.svg", "w") as svg:
    svg.write('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 200" width="400" height="400">')
    svg.write("".join(petals) + "</svg>")
`,
    wanted: ["flower.svg"],
  },
  {
    name: "Break out",
    code: `# Not on the list: told before anything runs.
import socket

socket.create_connection(("example.org", 80))
`,
  },
  {
    name: "Never ends",
    code: `# Stop it yourself, or let its time run out.
snake = 0
while True:
    snake += 1
`,
  },
];
