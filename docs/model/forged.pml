/* forged.pml: a reader looks at the signature of the last letter of a run only; `prev` covers those before (decisions D-3).
 * The origin signs letters 1..N, each naming the digest of the one before. A relay may change any letter, and then its own
 * `prev` fields as it likes; what it cannot do is sign. A digest is modelled as the letter's content and its prev together:
 * a changed letter has another digest (NEW), and only the origin's letters have a good signature.
 * F-1 nothing that the origin did not write is ever applied. F-2 an honest run is applied whole.
 * Broken: -DNOPREV: the chain inside the run is not followed. -DFIRSTONLY: the first signature is looked at instead. */
#define N 4
#define GOOD 0
#define NEW 1
bool changed[N+2];               /* the relay changed letter n */
bool claims[N+2];                /* letter n+1 names the digest of the changed letter n (so n+1 is changed too) */
byte cursor = 0; bool held_changed = 0;
byte first, last, n; bool ok;

inline one_run() {               /* the run first..last in one transaction */
  ok = 1; n = first;
#ifndef NOPREV
  do
  :: n > last -> break
  :: else ->                     /* prev of n must be the digest of n-1 as it came (or as it is held) */
     if :: n == first -> if :: held_changed != claims[n-1] -> ok = 0 :: else fi
        :: else -> if :: changed[n-1] != claims[n-1] -> ok = 0 :: else fi
     fi; n++
  od;
#endif
#ifdef FIRSTONLY
  if :: changed[first] -> ok = 0 :: else fi;
#else
  if :: changed[last] -> ok = 0 :: else fi;      /* the origin never signed a changed letter */
#endif
  n = first;
  do
  :: !ok || n > last -> break
  :: else -> assert(!changed[n]); cursor = n; held_changed = changed[n]; n++   /* F-1 */
  od
}
active proctype world() {
  /* the relay does what it likes, once for each letter: naming a changed digest changes the letter that names it */
  n = 1;
  do
  :: n > N -> break
  :: else ->
     if :: changed[n] = 0; claims[n] = 0
        :: changed[n] = 1; claims[n] = 0
        :: changed[n] = 1; claims[n] = 1; changed[n+1] = 1
        :: skip                  /* stays as the letter before made it */
     fi; n++
  od;
  /* claims[n] without a changed n+1 cannot be: prev is part of what is signed */
  n = 1; do :: n >= N -> break :: else -> if :: claims[n] && !changed[n+1] -> changed[n+1] = 1 :: else fi; n++ od;
  do
  :: cursor == N -> break
  :: atomic { cursor < N -> first = cursor+1; last = first;
       do :: last < N -> last++ :: break od;
       one_run(); if :: !ok -> break :: else fi }
  od;
  n = 1; ok = 0;
  do :: n > N -> break :: else -> if :: changed[n] -> ok = 1 :: else fi; n++ od;
  assert(ok || cursor == N)                       /* F-2 */
}
