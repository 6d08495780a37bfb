# Has the libraries of the public list open what the program itself could not: by image tags, fonts, maps and addresses.
import numpy as np
from fpdf import FPDF
from PIL import Image, ImageFont
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.lib.utils import open_for_read
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph, SimpleDocTemplate

pdf = FPDF()
pdf.add_page()
paths = ["/etc/shadow", "/etc/hostname", "/root/.bashrc", "/proc/1/root/etc/shadow", "/sys/kernel/notes"]
paths += ["file:///etc/shadow", "http://169.254.169.254/latest/", "http://127.0.0.1:80/"]
ways = {
    "numpy text": lambda path: np.loadtxt(path, dtype=str),
    "numpy bytes": lambda path: np.fromfile(path, dtype="u1")[0],
    "numpy map": lambda path: np.memmap(path, mode="r")[0],
    "numpy source": lambda path: np.lib.npyio.DataSource(".").open(path).read(1)[0],
    "pillow": lambda path: Image.open(path),
    "pillow font": lambda path: ImageFont.truetype(path),
    "fpdf": lambda path: pdf.image(path),
    "fpdf font": lambda path: pdf.add_font("x", "", path),
    "fpdf page": lambda path: pdf.write_html(f"<img src='{path}'>"),
    "reportlab": lambda path: open_for_read(path).read(1)[0],
    "reportlab font": lambda path: TTFont("x", path),
    "reportlab image": lambda path: Canvas("a.pdf").drawImage(path, 0, 0),
    "reportlab tag": lambda path: SimpleDocTemplate("b.pdf").build([Paragraph(f"<img src='{path}'/>", getSampleStyleSheet()["Normal"])]),
    "open": lambda path: open(path, "rb").read(1)[0],
}
doors = []
for name, way in ways.items():
    for path in paths:
        try:
            way(path)
            doors.append(f"{name} {path}")
        except Exception:
            pass
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# role: public
# needs: reportlab
# needs: fpdf
# expect: ending=exited:0  stdout="held\n"
