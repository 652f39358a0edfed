"""How pages of reports look: colours for light and dark as CSS variables, and the rules that all share.

Paper is light. `tests/gan/jobs/test_report_style.py` computes the contrast of every text (4.5:1 at least) and
curve (3:1) in both, and that the colours of curves differ for eyes that lack one kind of cones; dashes differ
as well.
"""

LIGHT = {
    "page": "#ffffff",
    "raised": "#f3f4f6",  # behind settings and the summary
    "text": "#1f2328",
    "muted": "#57606a",  # captions and scales
    "link": "#0756b3",
    "bad": "#b42318",  # a run that collapsed or diverged
    "warn": "#8a5300",  # one that drifts
    "good": "#176f33",  # a file that is kept
    "rule": "#d0d7de",
    "c1": "#0072b2",
    "c2": "#c2570c",
    "c3": "#00805e",
    "c4": "#8b3a8b",
    "c5": "#3d3d3d",
}
DARK = {
    "page": "#15181c",
    "raised": "#22272e",
    "text": "#e6e8eb",
    "muted": "#a9b1ba",
    "link": "#79b8ff",
    "bad": "#ff8f85",
    "warn": "#f0b450",
    "good": "#5fd38d",
    "rule": "#444c56",
    "c1": "#56b4e9",
    "c2": "#e69f00",
    "c3": "#009e73",
    "c4": "#f0a8d0",
    "c5": "#f5f0a0",
}
CURVES = ("c1", "c2", "c3", "c4", "c5")  # in the order of a legend
DASHES = {
    "c1": [1, 0],
    "c2": [7, 3],
    "c3": [2, 3],
    "c4": [9, 3, 2, 3],
    "c5": [4, 6],
}  # pixels drawn and left out


def _variables(colours: dict[str, str]) -> str:
    return ":root{" + "".join(f"--{name}:{value};" for name, value in colours.items()) + "}"


COLOURS = f""":root{{color-scheme:light dark}}
{_variables(LIGHT)}
@media screen and (prefers-color-scheme:dark){{{_variables(DARK)}}}
"""
RULES = """*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;max-width:1080px;margin:0 auto;padding:1em;
background:var(--page);color:var(--text);overflow-wrap:break-word}
h1{font-size:1.5em;line-height:1.25;margin:.4em 0 .6em;overflow-wrap:anywhere}
h2{font-size:1.2em;border-bottom:1px solid var(--rule);margin:2em 0 .6em}
a{color:var(--link)} nav{margin-top:.6em} nav a{display:inline-block;padding:.2em .8em .2em 0}
footer.note{margin-top:3em;border-top:1px solid var(--rule);padding:.6em 0 0;font-size:14px}
.note,figcaption,figure p{color:var(--muted);font-size:14px}
.summary{background:var(--raised);border-radius:8px;padding:.8em 1em;margin:0;display:grid;
grid-template-columns:repeat(auto-fit,minmax(min(100%,148px),1fr));gap:.8em 1.2em}
.summary dt{color:var(--muted);font-size:14px}
.summary dd{margin:0;font-weight:600;overflow-wrap:anywhere}
.summary small{display:block;font-weight:400;color:var(--muted);font-size:14px}
.collapsed,.diverged{color:var(--bad)} .drifting{color:var(--warn)}
.wide{overflow-x:auto;max-width:100%;background-attachment:local,local,scroll,scroll;
background-image:linear-gradient(to right,var(--page) 30%,transparent),
linear-gradient(to left,var(--page) 30%,transparent),
linear-gradient(to right,var(--rule),transparent),linear-gradient(to left,var(--rule),transparent);
background-position:0,100%,0,100%;background-size:3em 100%,3em 100%,1em 100%,1em 100%;
background-repeat:no-repeat}
.wide:focus-visible,summary:focus-visible,a:focus-visible{outline:3px solid var(--link);outline-offset:2px}
table{border-collapse:collapse;font-size:14px;font-variant-numeric:tabular-nums}
td,th{padding:4px 12px 4px 0;border-bottom:1px solid var(--rule);text-align:left;vertical-align:top}
thead th,td{white-space:nowrap} td.long{white-space:normal;overflow-wrap:anywhere;min-width:16em}
.name{white-space:normal;overflow-wrap:anywhere;min-width:8em} .run{padding-top:1em}
pre{background:var(--raised);padding:1em;margin:0;font-size:13px;line-height:1.45;width:max-content;min-width:100%}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,320px),1fr));gap:1.2em;margin-bottom:1.2em}
figure{margin:0;min-width:0} figure p{margin:.2em 0;display:flex;flex-wrap:wrap;gap:0 1em}
figcaption b{color:var(--text)} img,svg{max-width:100%;height:auto}
.still svg{display:block;width:100%} .intervals{max-width:420px;margin-bottom:1em}
.small{image-rendering:pixelated}
.near{margin:0;padding:0;list-style:none;display:grid;gap:1em;
grid-template-columns:repeat(auto-fill,minmax(min(100%,450px),1fr))}
.near li{display:flex;flex-wrap:wrap;align-items:center;gap:.3em;min-width:0;font-size:14px}
.near img{width:min(21%,96px);image-rendering:pixelated} .near p{flex-basis:100%;margin:0}
@page{margin:12mm}
@media print{nav,details:not([open]){display:none} body{max-width:none;padding:0;font-size:13px}
h2,h3,caption,.note{break-after:avoid} figure,tr,li{break-inside:avoid}
.wide{overflow:visible;background:none} .note,footer.note,figcaption,.charts p,.tables caption{font-size:12px}
table{font-size:11px} td,thead th{white-space:pre-wrap} td,th{padding-right:8px}
td.long,.name{min-width:7em} .near{grid-template-columns:1fr 1fr}}
"""
STYLE = COLOURS + RULES
