// All cases, in the order in which they are played.

import answering from "./cases/answering.mjs";
import approving from "./cases/approving.mjs";
import asking from "./cases/asking.mjs";
import beginning from "./cases/beginning.mjs";
import chatting from "./cases/chatting.mjs";
import living from "./cases/living.mjs";
import looking from "./cases/looking.mjs";
import places from "./cases/places.mjs";
import reviewing from "./cases/reviewing.mjs";
import sessions from "./cases/sessions.mjs";
import surviving from "./cases/surviving.mjs";

export default [
  ...asking,
  ...approving,
  ...answering,
  ...reviewing,
  ...places,
  ...chatting,
  ...sessions,
  ...living,
  ...beginning,
  ...surviving,
  ...looking,
];
