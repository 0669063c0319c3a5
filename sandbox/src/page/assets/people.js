// Who writes: chosen beside the composer.

import { el, find, reconcile } from "./dom.js";

let known = [];
/** `@username` of everybody, and `#name` of every room. */
let names = new Set();

/** The id of the person who writes. */
export const author = () => find("#author").value;

/** Their username. */
export const username = () => known.find((person) => person.id === author())?.username;

/** Whether a word is a mention of somebody or of a room. */
export const isName = (word) => names.has(word);

export function showPeople({ people, rooms }) {
  known = people;
  names = new Set(["@all", "@here", ...people.map((it) => `@${it.username}`), ...rooms.map((it) => `#${it.name}`)]);
  reconcile(
    find("#author"),
    people,
    (person) => person.id,
    makePerson,
    () => {},
  );
}

const makePerson = (person) => el("option", { value: person.id, textContent: person.name });
