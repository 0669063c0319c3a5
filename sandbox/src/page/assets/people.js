// Who writes: chosen beside the composer.

import { el, find, reconcile } from "./dom.js";

let known = [];

/** The id of the person who writes. */
export const author = () => find("#author").value;

/** Their username. */
export const username = () => known.find((person) => person.id === author())?.username;

export function showPeople(people) {
  known = people;
  reconcile(
    find("#author"),
    people,
    (person) => person.id,
    makePerson,
    () => {},
  );
}

const makePerson = (person) => el("option", { value: person.id, textContent: person.name });
