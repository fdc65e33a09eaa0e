// Numbers as people read them, in the language of the page.

import { language } from "./words.js";

const GIB = 2 ** 30;

export const number = (value, digits = 0) =>
  new Intl.NumberFormat(language, { maximumFractionDigits: digits, minimumFractionDigits: digits }).format(value);

export const gib = (bytes, digits) => `${number(bytes / GIB, digits ?? (bytes < 10 * GIB ? 1 : 0))} GiB`;

export function tokens(count) {
  if (count >= 1_000_000) return `${number(count / 1_048_576, count % 1_048_576 ? 1 : 0)}M`;
  return count >= 1024 ? `${number(Math.floor(count / 1024))}k` : number(count);
}

export const rate = (value) => number(value, value < 10 ? 1 : 0);

export const range = (interval) =>
  interval ? `${rate(interval.expected)} (${rate(interval.low)}–${rate(interval.high)})` : "–";

export const money = (value, currency = "USD") =>
  value === null || value === undefined
    ? "–"
    : new Intl.NumberFormat(language, { style: "currency", currency, maximumFractionDigits: 0 }).format(value);

export const short = (id) => id.slice(id.lastIndexOf("/") + 1);
