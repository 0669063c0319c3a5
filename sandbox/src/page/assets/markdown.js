// Rocket.Chat's Markdown as elements. Text becomes text nodes, so that nobody's markup is ever run.
//
// Unlike Rocket.Chat, it does not support bare domains and email addresses as links, spoilers, or emoticons.

import { el } from "./dom.js";
import { EMOJI } from "./format.js";

const FENCE = /^```\w*\s*$/;
const HEADING = /^(#{1,4}) +(\S.*)$/;
const QUOTE = /^> ?(.*)$/;
const BULLET = /^(?:- +|\* +(?=[^*]+$))(?:\[(?<done>[ x])\] )?(?<text>\S.*)$/;
const NUMBER = /^(?<number>\d{1,9})\. +(?<text>\S.*)$/;

/** In order of precedence at the same position. */
const INLINE = new RegExp(
  [
    String.raw`\\(?<escaped>[*_~\`#.\\[\]()>!-])`,
    "`(?<code>[^`\\n]+)`",
    String.raw`\[(?<label>[^\]\n]+)\]\((?<target>[^\s)]+)\)`,
    String.raw`<(?<angled>https?:\/\/[^|>\s]+)\|(?<name>[^>\n]+)>`,
    String.raw`(?<![\w(])(?<url>https?:\/\/[^\s<>"]*[^\s<>".,;:!?*_~)'\]])`,
    String.raw`\*{1,2}(?<bold>[^*\n]+)\*{1,2}`,
    String.raw`(?<!\w)_{1,2}(?<italic>[^_\n]+)_{1,2}(?!\w)`,
    String.raw`~{1,2}(?<strike>[^~\n]+)~{1,2}`,
    String.raw`:(?<emoji>[\w+-]+):`,
    String.raw`(?<![\w@/])(?<mention>[@#][\w.-]*\w)`,
  ].join("|"),
  "g",
);

/** The elements of a message. `isName` tells whether `@alice` or `#general` is somebody's or a room's name. */
export function markdown(text, isName) {
  const lines = text.split("\n");
  const blocks = [];
  const taken = (match) => {
    let end = 0;
    while (end < lines.length && match(lines[end])) end += 1;
    return lines.splice(0, end);
  };
  while (lines.length > 0) {
    const [line] = lines;
    const fenceEnd = FENCE.test(line) ? lines.findIndex((line, index) => index > 0 && FENCE.test(line)) : -1;
    if (fenceEnd > 0) {
      const code = lines.splice(0, fenceEnd + 1).slice(1, -1);
      blocks.push(el("pre", {}, el("code", { textContent: code.join("\n") })));
    } else if (HEADING.test(line)) {
      const [, signs, words] = HEADING.exec(lines.shift());
      blocks.push(el("p", { className: `heading level-${signs.length}` }, ...inline(words, isName)));
    } else if (QUOTE.test(line)) {
      const quoted = taken((line) => QUOTE.test(line)).map((line) => QUOTE.exec(line)[1]);
      blocks.push(el("blockquote", {}, ...inline(quoted.join("\n"), isName)));
    } else if (BULLET.test(line)) {
      const items = taken((line) => BULLET.test(line)).map((line) => BULLET.exec(line).groups);
      blocks.push(el("ul", {}, ...items.map((item) => bullet(item, isName))));
    } else if (NUMBER.test(line)) {
      const items = taken((line) => NUMBER.test(line)).map((line) => NUMBER.exec(line).groups);
      const make = ({ number, text }) => el("li", { value: Number(number) }, ...inline(text, isName));
      blocks.push(el("ol", {}, ...items.map(make)));
    } else {
      const isPlain = (line) => ![FENCE, HEADING, QUOTE, BULLET, NUMBER].some((block) => block.test(line));
      // A fence without an end is text.
      const words = [lines.shift(), ...taken(isPlain)];
      blocks.push(el("p", {}, ...inline(words.join("\n"), isName)));
    }
  }
  return blocks;
}

function bullet({ done, text }, isName) {
  if (done === undefined) return el("li", {}, ...inline(text, isName));
  return el("li", { className: "task" }, done === "x" ? "☑ " : "☐ ", ...inline(text, isName));
}

/** The nodes of a text without blocks. */
function inline(text, isName) {
  const nodes = [];
  let end = 0;
  for (const match of text.matchAll(INLINE)) {
    nodes.push(text.slice(end, match.index), element(match[0], match.groups, isName));
    end = match.index + match[0].length;
  }
  nodes.push(text.slice(end));
  return nodes.filter((node) => node !== "");
}

function element(whole, found, isName) {
  const { escaped, code, bold, italic, strike, emoji, mention } = found;
  const inner = (text) => inline(text, isName);
  if (escaped) return escaped;
  if (code) return el("code", { textContent: code });
  if (bold) return el("strong", {}, ...inner(bold));
  if (italic) return el("em", {}, ...inner(italic));
  if (strike) return el("s", {}, ...inner(strike));
  if (emoji) return EMOJI.get(emoji) ?? whole;
  if (mention) return isName(mention) ? el("span", { className: "mention", textContent: mention }) : whole;
  return link(found.target ?? found.angled ?? found.url, found.label ?? found.name ?? found.url) ?? whole;
}

/** A link to a web page, never one that runs a script. */
function link(address, words) {
  if (!/^https?:\/\//i.test(address) || !URL.canParse(address)) return null;
  return el("a", { href: address, target: "_blank", rel: "noopener noreferrer", textContent: words });
}
