/* parking.pml: a letter that cannot be handled is parked with those behind it about the same thing.
 * Letters 0,2,4 are about x, 1,3 about y. Letter 0 fails until the upgrade; the mail and the replay run at
 * the same time, each step a transaction; the row of the thread (origin, about) is locked in both.
 * Broken: -DSPLITREPLAY: replay takes the letter out of the parking place and acts in two transactions. -DBLOCK: stop at the failing letter instead of parking it.
 * -DBATCH: the mail takes three letters in one transaction, a savepoint for each handler (decisions D-3). Broken with it,
 * -DNOSAVEPOINT: a failing handler undoes the effects of the run before it, and the cursor moves all the same.
 * -DNOFOLLOW: only the failing letter is parked, not those behind it. */
#define N 5
#define X(n) ((n)%2 == 0)
byte cursor = 0; bool parked[N]; bool done[N]; byte lastx = 0, lasty = 0; bool upgraded = 0; byte crashes = 0;
#define CAN(n) ((n) != 0 || upgraded)
#ifdef NOFOLLOW
#define BEHIND(n) 0
#else
#define BEHIND(n) (X(n) && (parked[0] || parked[2] || parked[4]))
#endif
inline doit(n) {
  assert(!done[n]); done[n] = 1;
  if :: X(n) -> assert(n+1 > lastx); lastx = n+1      /* K-1 order for each subject */
     :: else -> assert(n+1 > lasty); lasty = n+1 fi
}
active proctype mail() {
  byte first, k;
  do
  :: cursor == N -> break
#ifdef BLOCK
  :: atomic { cursor < N && CAN(cursor) -> doit(cursor); cursor++ }
#elif defined(BATCH)
  :: atomic { cursor < N -> first = cursor;
       do
       :: cursor == N || cursor == first+3 -> break
       :: else ->
          if :: !CAN(cursor) || BEHIND(cursor) -> parked[cursor] = 1;
#ifdef NOSAVEPOINT
                k = first; do :: k == cursor -> break :: else -> if :: !parked[k] -> done[k] = 0 :: else fi; k++ od; k = 0;
#endif
             :: else -> doit(cursor) fi; cursor++
       od; first = 0 }
#else
  :: atomic { cursor < N ->
       if :: !CAN(cursor) || BEHIND(cursor) -> parked[cursor] = 1 :: else -> doit(cursor) fi; cursor++ }
#endif
  od
}
active proctype replay() {
  byte k;
end:
  do
  :: atomic { upgraded && (parked[0] || parked[2] || parked[4]) ->
       k = (parked[0] -> 0 : (parked[2] -> 2 : 4));
#ifdef SPLITREPLAY
       parked[k] = 0 }
     atomic { doit(k); k = 0 }
#else
       doit(k); parked[k] = 0; k = 0 }
#endif
  od
}
active proctype upgrade() {
#ifdef BLOCK
  (done[1] && done[3]);                                /* K-2: others go on before any upgrade */
#endif
  upgraded = 1
}
active proctype judge() {
  timeout -> assert(done[0] && done[1] && done[2] && done[3] && done[4])   /* K-3 none is dropped */
}
