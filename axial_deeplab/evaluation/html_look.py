"""What every page brings along: its style, and the sorting of its tables."""

STYLE = """
body { font: 14px/1.4 sans-serif; margin: 2em auto; max-width: 1400px;
  color: #222; padding: 0 1em; }
table { border-collapse: collapse; margin: 1em 0; }
th, td { padding: 2px 8px; text-align: right; }
th.text, td.text { text-align: left; }
tr:nth-child(even) td { background: #f4f4f4; }
.confusion td { padding: 1px 3px; font-size: 9px; }
.confusion tr:nth-child(even) td { background: none; }
.confusion th { font-size: 10px; font-weight: normal; white-space: nowrap; }
.confusion th.column { writing-mode: vertical-rl; transform: rotate(180deg);
  text-align: left; padding: 4px 0; }
.scroll { overflow-x: auto; }
.pictures { display: flex; gap: 6px; }
figure { flex: 1; max-width: 330px; margin: 0 0 12px 0; }
figure img { display: block; width: 100%; }
figcaption, .note { color: #555; }
.key span { display: inline-block; margin-right: 12px; }
.key i { display: inline-block; width: 10px; height: 10px; margin-right: 4px;
  border: 1px solid #222; }
.sortable th { cursor: pointer; }
.sortable th[aria-sort=ascending]::after { content: " \\25B2"; }
.sortable th[aria-sort=descending]::after { content: " \\25BC"; }
img.curves { max-width: 100%; }
"""
# A click on a heading sorts by its column: texts from A, numbers from the
# largest, the other way round the second time. Empty cells stay last.
SCRIPT = """
for (const head of document.querySelectorAll(".sortable th")) {
  head.addEventListener("click", () => {
    const body = head.closest("tbody"), column = head.cellIndex;
    const isText = head.classList.contains("text");
    const before = head.ariaSort || (isText ? "descending" : "ascending");
    const sign = before === "ascending" ? -1 : 1;
    for (const other of head.parentNode.cells) other.ariaSort = null;
    head.ariaSort = sign > 0 ? "ascending" : "descending";
    const value = (row) => {
      const text = row.cells[column].textContent;
      return isText ? text : Number.parseFloat(text);
    };
    const compare = (a, b) => {
      if (isText) return sign * value(a).localeCompare(value(b));
      const missing = Number.isNaN(value(a)) - Number.isNaN(value(b));
      return missing || sign * (value(a) - value(b));
    };
    const rows = [...body.rows].slice(1).sort(compare);
    body.append(...rows);
  });
}
"""
