// All cases, in the order in which they are played.

import approving from "./cases/approving.mjs";
import asking from "./cases/asking.mjs";

import beginning from "./cases/beginning.mjs";

import chatting from "./cases/chatting.mjs";

import living from "./cases/living.mjs";
import looking from "./cases/looking.mjs";
import places from "./cases/places.mjs";
import reviewing from "./cases/reviewing.mjs";
import sessions from "./cases/sessions.mjs";

const life = [...living, ...beginning];
export default [...asking, ...approving, ...reviewing, ...places, ...chatting, ...sessions, ...life, ...looking];
