"""A document as a one-page PDF: plain, but readable by any viewer."""

from sandbox.fakturownia.models import Document


def print_document(document: Document) -> bytes:
    """Return a PDF with a few lines of text; characters missing from the font become question marks."""
    body = document.body
    currency = body.get("currency") or "PLN"
    lines = [
        f"{'Correction' if document.kind == 'correction' else 'Invoice'} {document.number}",
        "CANCELED" if document.cancelled else "",
        f"Issued {body['issue_date']} by {body.get('seller_name') or document.account.slug}",
        f"To {body.get('buyer_name')} {body.get('buyer_tax_no') or ''}",
        *[
            f"{each['quantity']} x {each['name']}: {each['total_price_gross']} {currency}, tax {each['tax']}"
            for each in body["positions"]
        ],
        "Printed by the sandbox's Fakturownia",
    ]
    shown = "\n".join(f"({_escaped(line)}) Tj T*" for line in lines if line.strip())
    stream = f"BT /F1 12 Tf 18 TL 60 760 Td\n{shown}\nET".encode("latin-1")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    return _file(objects)


def _file(objects: list[bytes]) -> bytes:
    out = b"%PDF-1.4\n"
    places = []
    for number, content in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    count = len(objects) + 1
    return out + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
        % (count, table, count, len(out))
    )


def _escaped(text: str) -> str:
    plain = text.encode("latin-1", "replace").decode("latin-1")
    return plain.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
