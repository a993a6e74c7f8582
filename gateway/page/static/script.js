// Keeps the page current: fetches it again and changes what differs, so that the scroll position, the
// focus, a selection and what is open stay. Without this script the link "Reload" does the same.
"use strict";

const EVERY_MS = 2000;
const SLOWEST_MS = 30000;
const live = document.getElementById("live");
const reload = document.getElementById("reload");
let timer = 0;
let failures = 0;
let latest = 0;

/** Makes `old` equal to `next`. Children with a `data-key` or an `id` are recognised by it. */
function morph(old, next) {
  for (const { name, value } of next.attributes) {
    if (name !== "hidden" && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    const isKept = name === "hidden" || (name === "open" && old.localName === "details");
    if (!next.hasAttribute(name) && !isKept) old.removeAttribute(name);
  }
  if (old.id === "live" || old.localName === "select") return;
  let at = old.firstChild;
  for (const child of [...next.childNodes]) {
    const match = find(at, child);
    if (match) {
      while (at !== match) at = dropped(at);
      at = match.nextSibling;
      update(match, child);
    } else {
      old.insertBefore(document.importNode(child, true), at);
    }
  }
  while (at) at = dropped(at);
}

function dropped(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

/** The node that becomes `child`: one with the same key further on, or the same kind here. */
function find(at, child) {
  const key = keyOf(child);
  if (key === null) return at && keyOf(at) === null && at.nodeName === child.nodeName ? at : null;
  for (let node = at; node; node = node.nextSibling) {
    if (keyOf(node) === key && node.nodeName === child.nodeName) return node;
  }
  return null;
}

function keyOf(node) {
  return node.nodeType === Node.ELEMENT_NODE ? node.dataset.key || node.id || null : null;
}

function update(old, next) {
  if (old.nodeType === Node.ELEMENT_NODE) morph(old, next);
  else if (old.nodeValue !== next.nodeValue) old.nodeValue = next.nodeValue;
}

/** Fetches the page at the current address and shows it. Of several, only the latest one counts. */
async function refresh() {
  const mine = ++latest;
  try {
    const response = await fetch(location.href.split("#")[0], { headers: { accept: "text/html" }, cache: "no-store" });
    const text = await response.text();
    if (mine !== latest) return;
    if (response.status === 401) return location.reload();
    if (!response.ok) throw new Error(response.status);
    const page = new DOMParser().parseFromString(text, "text/html");
    for (const part of ["header", "main"]) {
      morph(document.querySelector(part), page.querySelector(part));
    }
    document.title = page.title;
    failures = 0;
    say("live");
  } catch {
    if (mine !== latest) return;
    failures += 1;
    say("no answer, trying again");
  }
  plan();
}

function say(text) {
  if (live.textContent !== text) live.textContent = text;
}

function plan() {
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(refresh, Math.min(EVERY_MS * 2 ** failures, SLOWEST_MS));
}

function show(address) {
  history.pushState(null, "", address);
  refresh();
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) clearTimeout(timer);
  else refresh();
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-live]");
  const isPlain = !event.ctrlKey && !event.metaKey && !event.shiftKey && event.button === 0;
  if (!link || !isPlain) return;
  event.preventDefault();
  show(link.href.split("#")[0]);
});

document.addEventListener("change", (event) => {
  const form = event.target.closest("#filter");
  if (!form) return;
  const stated = [...new FormData(form)].filter(([, value]) => value);
  show("/?" + new URLSearchParams(stated));
});

addEventListener("popstate", () => location.reload());

live.hidden = false;
say("live");
reload.hidden = true;
document.getElementById("apply")?.setAttribute("hidden", "");
plan();
