"""Draws what perf/scaling has measured: efficiency over threads, a line for each number of threads of a rank."""

from html import escape

WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 60, 120, 40, 50  # around the plot
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00"]


def chart(document):
    """An SVG document."""
    rows = document["results"]
    most_threads = max(row["ranks"] * row["threads"] for row in rows)
    top = max(1.0, max(row["efficiency"] for row in rows)) * 1.05

    def x(threads):
        return LEFT + (WIDTH - LEFT - RIGHT) * threads / most_threads

    def y(efficiency):
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * efficiency / top

    kind = "weak" if document["weak"] else "strong"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="24">{escape(kind)} scaling: rate by thread, as a share of the first setting\'s</text>',
    ]
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(f'<path d="M{LEFT} {y(tick):.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:.2f}</text>')
    for threads in sorted({row["ranks"] * row["threads"] for row in rows}):
        parts.append(f'<text x="{x(threads):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{threads}</text>')
    parts.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 12}" text-anchor="middle">threads of all ranks</text>')
    for index, threads in enumerate(sorted({row["threads"] for row in rows})):
        colour = COLOURS[index % len(COLOURS)]
        line = sorted((row["ranks"] * threads, row["efficiency"]) for row in rows if row["threads"] == threads)
        points = " ".join(f"{x(all_threads):.1f},{y(efficiency):.1f}" for all_threads, efficiency in line)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x(at):.1f}" cy="{y(of):.1f}" r="4" fill="{colour}"/>' for at, of in line]
        parts.append(f'<text x="{WIDTH - RIGHT + 12}" y="{TOP + 12 + 18 * index}" fill="{colour}">{threads} a rank</text>')
    return "\n".join(parts + ["</svg>", ""])
