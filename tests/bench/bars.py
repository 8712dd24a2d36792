"""A picture of figures side by side: groups of horizontal bars, as SVG. Pure.

By hand, for a plotting library of fifty megabytes would be installed for two pictures.
"""

from html import escape

COLOURS = {"Tradewind": "#0f766e", "KubernetesExecutor": "#b45309"}
OTHERS = ("#d97706", "#9ca3af")
ROW, GAP, LEFT, WIDTH, HEAD, RIGHT = 20, 14, 190, 420, 64, 70


def picture(*, title, groups):
    """Return the SVG.

    Args:
        title: what the figures are.
        groups: words beside a group, and its bars: name and value.

    """
    names = list(dict.fromkeys(name for _, bars in groups for name, _ in bars))
    colours = dict(zip([n for n in names if n not in COLOURS], OTHERS, strict=False)) | COLOURS
    most = max(value for _, bars in groups for _, value in bars)
    height = HEAD + sum(GAP + ROW * len(bars) for _, bars in groups)
    size = f'width="{LEFT + WIDTH + RIGHT}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="12" y="24" font-size="15">{escape(title)}</text>',
        *_legend(names, colours),
    ]
    top = HEAD
    for words, bars in groups:
        middle = top + ROW * len(bars) / 2 + 5
        parts.append(f'<text x="12" y="{middle:g}">{escape(words)}</text>')
        for name, value in bars:
            parts += _bar(top, value, most, colours[name])
            top += ROW
        top += GAP
    return "\n".join([*parts, "</svg>\n"])


def _legend(names, colours):
    x = LEFT
    for name in names:
        yield f'<rect x="{x}" y="36" width="12" height="12" fill="{colours[name]}"/>'
        yield f'<text x="{x + 17}" y="47">{escape(name)}</text>'
        x += 40 + 7 * len(name)


def _bar(top, value, most, colour):
    width = max(1, round(WIDTH * value / most))
    shown = f"{value:.0f}" if value >= 10 else f"{value:.2g}"
    yield f'<rect x="{LEFT}" y="{top + 2}" width="{width}" height="{ROW - 4}" fill="{colour}"/>'
    yield f'<text x="{LEFT + width + 6}" y="{top + 15}">{shown}</text>'
