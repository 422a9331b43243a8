// Renders the Markdown of descriptions: paragraphs, lists, tables, headings, code, links.

import { h } from './dom.js';

/** A description as a block of elements; `null` when there is none. */
export function markdown(text) {
  if (!text?.trim()) return null;
  const lines = text.replace(/\r\n?/g, '\n').split('\n');
  const block = h('div', { class: 'text' });
  while (lines.length) {
    if (lines[0].trim()) block.append(codeBlock(lines) ?? heading(lines) ?? bullets(lines) ?? table(lines) ?? paragraph(lines));
    else lines.shift();
  }
  return block;
}

/** The first sentence or line, for a list of operations. */
export function firstLine(text) {
  return (text ?? '').trim().split('\n')[0];
}

function codeBlock(lines) {
  if (!/^\s*```/.test(lines[0])) return null;
  lines.shift();
  const code = [];
  while (lines.length && !/^\s*```/.test(lines[0])) code.push(lines.shift());
  lines.shift();
  return h('pre', { tabindex: '0' }, h('code', {}, code.join('\n')));
}

function heading(lines) {
  const match = /^(#{1,6})\s+(.*)$/.exec(lines[0]);
  if (!match) return null;
  lines.shift();
  return h(match[1].length < 3 ? 'h3' : 'h4', {}, inline(match[2]));
}

const BULLET = /^\s*(?:[-*+]|(\d+)[.)])\s+(.*)$/;

function bullets(lines) {
  const first = BULLET.exec(lines[0]);
  if (!first) return null;
  const items = [];
  while (lines.length && (BULLET.test(lines[0]) || /^\s{2,}\S/.test(lines[0]))) {
    const line = lines.shift();
    const match = BULLET.exec(line);
    if (match) items.push(match[2]);
    else items[items.length - 1] += ` ${line.trim()}`;
  }
  return h(first[1] ? 'ol' : 'ul', {}, items.map((item) => h('li', {}, inline(item))));
}

const cells = (line) => line.trim().replace(/^\||\|$/g, '').split('|').map((cell) => cell.trim());

function table(lines) {
  if (!lines[0].includes('|') || !/^\s*\|?\s*:?-{2,}/.test(lines[1] ?? '')) return null;
  const head = cells(lines.shift());
  lines.shift();
  const rows = [];
  while (lines.length && lines[0].includes('|')) rows.push(cells(lines.shift()));
  return h('div', { class: 'wide', tabindex: '0' }, h('table', {},
    h('thead', {}, h('tr', {}, head.map((cell) => h('th', { scope: 'col' }, inline(cell))))),
    h('tbody', {}, rows.map((row) => h('tr', {}, row.map((cell) => h('td', {}, inline(cell))))))));
}

function paragraph(lines) {
  const words = [lines.shift()];
  while (lines.length && lines[0].trim() && !/^\s*```|^#{1,6}\s/.test(lines[0]) && !BULLET.test(lines[0])) words.push(lines.shift());
  return h('p', {}, inline(words.join(' ').trim()));
}

const INLINE = /`([^`]+)`|\*\*(.+?)\*\*|\[([^\]]+)\]\(([^)\s]+)\)|(?<![\w*])\*([^*\s][^*]*)\*(?![\w*])/;

function inline(text) {
  const parts = [];
  let rest = text;
  for (let match = INLINE.exec(rest); match; match = INLINE.exec(rest)) {
    parts.push(rest.slice(0, match.index), span(match));
    rest = rest.slice(match.index + match[0].length);
  }
  return [...parts, rest];
}

function span([, code, bold, label, address, slanted]) {
  if (code) return h('code', {}, code);
  if (bold) return h('strong', {}, inline(bold));
  if (slanted) return h('em', {}, inline(slanted));
  // Only web, mail and local addresses, never scripts.
  return /^(https?:|mailto:|\/|#)/.test(address) ? h('a', { href: address, rel: 'noreferrer' }, inline(label)) : label;
}
