// Formats times, counts, names and emoji.

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

/** Pictures by name. A map, because every object has a `constructor`. */
export const EMOJI = new Map(
  Object.entries({
    "+1": "👍",
    thumbsup: "👍",
    rotating_light: "🚨",
    white_check_mark: "✅",
    heavy_check_mark: "✔️",
    eyes: "👀",
    warning: "⚠️",
    x: "❌",
    bell: "🔔",
    hourglass: "⌛",
    fire: "🔥",
    pager: "📟",
    telephone_receiver: "📞",
    tada: "🎉",
    smile: "😄",
    ok_hand: "👌",
    wrench: "🔧",
  }),
);

/** The time of day of a date or of milliseconds since the epoch. */
export const clock = (at) => CLOCK.format(new Date(at));

/** `1 reply`, `2 replies`. */
export const count = (number, one, many) => `${number} ${number === 1 ? one : many}`;

/** An emoji's picture for its name (`:eyes:`), or the name itself. */
export function emoji(name) {
  return EMOJI.get(name.replaceAll(":", "")) ?? name;
}

/** A name's initials: two letters. */
export function initials(name) {
  const words = name.split(/\s+/).filter(Boolean);
  const letters = words.length > 1 ? words[0][0] + words.at(-1)[0] : name.slice(0, 2);
  return letters.toUpperCase();
}

/** One of six colours, always the same for a name. */
export function tone(name) {
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + letter.codePointAt(0)) % 997;
  return `tone-${sum % 6}`;
}
