/* again.pml: the origin O is put back twice. One relay H, one reader P, who reads from H or from O.
 *
 * letters.pml has everything that can happen around one restore; here is only what a second one adds. Two backups of O, each
 * taken at any moment of any life, are kept: the second restore may go back before the first, between what the first lost, or
 * after its epoch; O's operator knows of it or does not. One step is one transaction; what is in hand dies by `view` (letters.pml).
 *
 * An epoch letter k says: my log of epoch efrom[k] ended as elog[k], from now on I write in k. Numbers only rise (the clock).
 * The letters a reader knows make one line down from the newest; what it holds of an epoch that is not in this line is of a
 * life that O has forgotten.
 *
 * Broken variants: -DNOFORGOTTEN -DONCE -DNOPROOF -DNONAME -DENDONLY -DANYTIME -DALONE -DNOPERSON
 */
#ifndef NF
#define NF 3                     /* facts that O makes */
#endif
#ifndef RESTO
#define RESTO 2
#endif
#define NS NF
#define NE 3
#define BIT(f) (1<<(f))
#define IN(f,m) (((m)>>(f))&1)
#define H 0
#define P 1
#define O(e,s) olog[(e)*NS+(s)]
#define E(k,s) elog[(k)*NS+(s)]
#define L(r,e,s) rlog[((r)*NE+(e))*NS+(s)]
#define LEN(r,e) rlen[(r)*NE+(e)]

/* durable at O: its log, what it knows, the epoch letters it remembers */
byte olog[NE*NS]; byte olen[NE]; byte oep; byte okn; byte ok;
bool orec;
/* backups of O */
bool bt[2]; byte blog[2*NE*NS]; byte blen[2*NE]; byte bep[2]; byte bkn[2]; byte bk[2];
byte rO;
/* epoch letters, as signed */
byte elog[NE*NS]; byte eend[NE]; byte efrom[NE]; byte elost[NE]; byte top;
/* readers: log, epoch, by which letter it is closed (0: not), letters known, what was set aside and
 * not met again since, what was set aside together with it */
byte rlog[2*NE*NS]; byte rlen[2*NE]; byte re[2]; byte rcl[2]; byte rk[2]; byte ret[2]; byte was[2]; bool rstop[2];
byte applied;                    /* P's effects */
/* ghosts and scratch */
byte nf; byte knew[NF+1];
byte i, j, f, c, g, b, m;
bool rh, rp, same, moved;

inline append(x) { O(oep,olen[oep]) = x; olen[oep]++ }
inline home(x) { if :: x != 0 && !IN(x,okn) -> okn = okn | BIT(x); append(x) :: else fi }
inline effect(x) {
  if
  :: IN(x,applied) -> skip
  :: else ->
     i = 1;                                                /* L-2 order */
     do
     :: i > NF -> break
     :: else -> assert(!(IN(i,knew[x]) && (i&1)==(x&1)) || IN(i,applied)); i++
     od; i = 0;
     applied = applied | BIT(x)
  fi
}
/* c: the letter that closes where reader r stands, 0 if none. b: the epoch of O's log that it closes (re[r], or below it) */
inline closing(r) {
  c = 0; b = re[r];
#ifdef NOFORGOTTEN
  i = NE-1;                                                /* the newest letter that names this epoch, and no other */
  do
  :: i == 0 -> break
  :: else -> if :: IN(i,rk[r]) && (efrom[i] == b || IN(b,elost[i])) && i > b -> c = i; break :: else -> i-- fi
  od; i = 0
#else
  i = NE-1;
  do
  :: i == 0 || IN(i,rk[r]) -> break
  :: else -> i--
  od;
  if
  :: i > b ->
     c = i;
     do
     :: efrom[c] <= b -> b = efrom[c]; break
     :: else -> if :: IN(efrom[c],rk[r]) -> c = efrom[c] :: else -> c = 0; break fi
     od
  :: else
  fi; i = 0
#endif
}
#ifdef NOFORGOTTEN
#define EEND(k,e) (efrom[k] == (e) -> eend[k] : 0)
#else
#define EEND(k,e) eend[k]
#endif
inline aside(r,e,s) { ret[r] = ret[r] | BIT(L(r,e,s)); was[r] = was[r] | BIT(L(r,e,s)); L(r,e,s) = 0 }
/* reader r goes back to the last place that it shares with the log that letter c signs, in epoch b */
inline goback(r) {
  g = 0;
  do
  :: g < LEN(r,b) && g < EEND(c,b) && L(r,b,g) == E(c,g) -> g++
  :: else -> break
  od;
  j = b;
  do
  :: j > re[r] -> break
  :: else ->
     i = (j == b -> g : 0);
     do :: i >= LEN(r,j) -> break :: else -> aside(r,j,i); i++ od;
     LEN(r,j) = (j == b -> g : 0); j++
  od;
  re[r] = b; rcl[r] = c; rstop[r] = 0; moved = 1; i = 0; j = 0; g = 0
}
/* m: the letters that a server names: O all that it remembers; a relay those whose history it has gone back to itself */
inline names(s) {
  m = 0;
#ifdef NONAME
  m = rk[s];
#else
  i = re[s];
  do :: i == 0 -> break :: else -> m = m | BIT(i); i = efrom[i] od;
  if :: rcl[s] != 0 -> m = m | BIT(rcl[s]) :: else fi;
  i = 0
#endif
}
inline hear(r,told) {
  if
  :: (told & ~rk[r]) != 0 ->
     rk[r] = rk[r] | told; moved = 1
  :: else
  fi
}
/* same: whether reader r's log of its epoch is the beginning of the given one */
#define shared(r,LOG,len) \
  same = (LEN(r,re[r]) <= (len)); i = 0; \
  do \
  :: i >= LEN(r,re[r]) || !same -> break \
  :: else -> same = (L(r,re[r],i) == LOG); i++ \
  od; i = 0
#ifdef ALONE
#define met(r) was[r] = ret[r]                             /* broken: each for itself */
#else
#define met(r) if :: ret[r] == 0 -> was[r] = 0 :: else fi  /* while one of them is missing, all are sent back, oldest first */
#endif
inline take(r,x) {
  L(r,re[r],LEN(r,re[r])) = x; LEN(r,re[r])++; moved = 1; ret[r] = ret[r] & ~BIT(x); met(r);
  if :: r == P -> effect(x) :: else fi
}
/* one contact: the letters that are named are kept; in a later one going back or on, then one letter of the log */
inline fromO(r) {
  hear(r,ok); closing(r);
  if
  :: moved -> skip
  :: !moved && c != 0 && (c != rcl[r] || b != re[r]) -> goback(r)
  :: !moved && c != 0 && rcl[r] == c && LEN(r,re[r]) == EEND(c,re[r]) -> pass(r)
  :: else ->
     if
     :: re[r] > oep || rstop[r] || (c != 0 && !IN(c,ok)) || LEN(r,re[r]) >= (c != 0 -> EEND(c,re[r]) : (re[r] == oep -> olen[oep] : 0)) -> skip
     :: else ->
        shared(r,O(re[r],i),olen[re[r]]);
        if
        :: same && LEN(r,re[r]) < olen[re[r]] -> f = O(re[r],LEN(r,re[r])); take(r,f)
        :: !same && re[r] == oep -> rstop[r] = 1; moved = 1
        :: else
        fi
     fi
  fi; f = 0; c = 0; b = 0; same = 0
}
inline fromH() {
  names(H); hear(P,m); closing(P);
  if
  :: c != 0 && (c != rcl[P] || b != re[P]) -> goback(P)
  :: c != 0 && rcl[P] == c && LEN(P,re[P]) == EEND(c,re[P]) -> pass(P)
  :: else ->
     names(H);
#ifdef ENDONLY
     /* broken: any letter that names this epoch will do, not the one that P goes by */
     same = (c == 0); i = 1;
     do :: i >= NE -> break :: else -> same = same || (IN(i,m) && efrom[i] == re[P]); i++ od; i = 0;
#else
     same = (c == 0 || IN(c,m));
#endif
     if
     :: re[P] > re[H] || rstop[P] || !same || LEN(P,re[P]) >= (c != 0 -> EEND(c,re[P]) : LEN(H,re[P])) -> skip
     :: else ->
        shared(P,L(H,re[P],i),LEN(H,re[P]));
        if
        :: same && LEN(P,re[P]) < LEN(H,re[P]) -> f = L(H,re[P],LEN(P,re[P])); take(P,f)
        :: !same && LEN(P,re[P]) < LEN(H,re[P]) -> rstop[P] = 1; moved = 1
        :: else
        fi
     fi
  fi; f = 0; c = 0; b = 0; m = 0; same = 0
}
/* what r set aside goes back to O; the row is done with only when r has met the letter again in O's log, since the life that
 * acknowledged it may be forgotten too */
inline back(r) {
  closing(r); i = NE-1; f = 1;
  do :: i == 0 || IN(i,rk[r]) -> break :: else -> i-- od;
#ifdef ANYTIME
  i = oep;                                                 /* broken: also to a life of which r has not heard */
#endif
  do
  :: f > NF || i != oep || (c != 0 && (c != rcl[r] || b != re[r])) -> break
  :: else ->
     if :: IN(f,was[r]) && !IN(f,okn) -> home(f); moved = 1 :: else fi;
#ifdef ONCE
     if :: IN(f,was[r]) -> ret[r] = ret[r] & ~BIT(f); was[r] = was[r] & ~BIT(f); moved = 1 :: else fi;   /* broken: done with when it is acknowledged */
#endif
     f++
  od; f = 0; i = 0; c = 0; b = 0
}
inline pass(r) {
  i = 0;                                                   /* L-5: what is kept of that epoch is what O signed */
  do :: i >= LEN(r,re[r]) -> break :: else -> assert(L(r,re[r],i) == E(c,i)); i++ od; i = 0;
  re[r] = c; rcl[r] = 0; LEN(r,c) = 0; moved = 1
}
inline bring(r) {                                          /* own letters beyond the own end come home from reader r, and its letters */
  ok = ok | rk[r];
  j = b;
  do
  :: j >= NE -> break
  :: else ->
     i = (j == b -> g : 0);
     do :: i >= LEN(r,j) -> break :: else -> f = L(r,j,i); home(f); i++ od; j++
  od; i = 0; j = 0; f = 0
}
inline openepoch() {
  b = oep; g = olen[oep];
  top++; assert(top < NE);
  efrom[top] = b; eend[top] = g; i = 0;
  do :: i >= g -> break :: else -> E(top,i) = O(b,i); i++ od; i = 0;
  oep = top; olen[top] = 0;
  if :: rh -> bring(H) :: else fi;
  if :: rp -> bring(P) :: else fi;
  i = b+1; do :: i >= top -> break :: else -> if :: IN(i,ok) -> elost[top] = elost[top] | BIT(i) :: else fi; i++ od; i = 0;
  ok = ok | BIT(top);
  b = 0; g = 0; rh = 0; rp = 0; orec = 0
}
inline backup(n) {
  bt[n] = 1; bep[n] = oep; bkn[n] = okn; bk[n] = ok; i = 0;
  do :: i >= NE*NS -> break :: else -> blog[n*NE*NS+i] = olog[i]; i++ od; i = 0;
  do :: i >= NE -> break :: else -> blen[n*NE+i] = olen[i]; i++ od; i = 0
}
inline putback(n) {
  rO++; oep = bep[n]; okn = bkn[n]; ok = bk[n]; orec = 0; i = 0;
  do :: i >= NE*NS -> break :: else -> olog[i] = blog[n*NE*NS+i]; i++ od; i = 0;
  do :: i >= NE -> break :: else -> olen[i] = blen[n*NE+i]; i++ od; i = 0
}
#define OLDER(n) (bt[n] && (oep != bep[n] || olen[oep] != blen[(n)*NE+oep] || okn != bkn[n]))
/* something is different: r's own signed evidence that O does not hold */
inline judge(r) {
  i = NE-1;
  do :: i == 0 || IN(i,rk[r]) -> break :: else -> i-- od;
#ifdef NOPROOF
  f = (re[r] > oep && LEN(r,re[r]) > 0);                   /* broken: only letters count */
#else
  f = (i > oep);                                           /* an epoch letter of O's own that O has not */
#endif
  i = 0;
  if
  :: f -> orec = 1; moved = 1
  :: !f && re[r] == oep -> shared(r,O(oep,i),olen[oep]); if :: !same -> orec = 1; moved = 1 :: else fi
  :: else
  fi; f = 0; same = 0
}
inline person(r) {
  if
  :: re[r] == oep -> shared(r,O(oep,i),olen[oep]); if :: same -> rstop[r] = 0; moved = 1 :: else fi
  :: else
  fi; same = 0
}
inline quiet(r) { assert(ret[r] == 0); assert(!rstop[r] && re[r] == oep && LEN(r,oep) == olen[oep]) }
inline finale() {
  assert(!orec); quiet(H); quiet(P);
  i = 1;
  do
  :: i > NF -> break
  :: else -> assert(IN(i,okn) == IN(i,applied)); i++       /* L-3 agreement */
  od; i = 0
}

/* a contact that changes nothing is progress: a cycle of states without any is one of real steps */
#define did(n) if :: d_step { moved -> moved = 0 } :: else -> progress ## n: skip fi

active proctype world() {
  do
  :: d_step { nf < NF && !orec -> nf++; knew[nf] = okn; okn = okn | BIT(nf); append(nf) }
  :: d_step { !bt[0] && !orec -> backup(0) }
  :: d_step { bt[0] && !bt[1] && !orec && rO < RESTO -> backup(1) }
  :: d_step { rO < RESTO && OLDER(0) -> putback(0); orec = 1 }
  :: d_step { rO < RESTO && OLDER(1) -> putback(1); orec = 1 }
#ifndef KNOWN
  :: d_step { rO < RESTO && OLDER(0) -> putback(0) }       /* restored, nobody knows */
  :: d_step { rO < RESTO && OLDER(1) -> putback(1) }
#endif
  :: atomic { orec -> if :: rh = 1 :: rh = 0 fi; if :: rp = 1 :: rp = 0 fi; d_step { openepoch() } }
  :: d_step { fromO(H) }; did(0)
  :: d_step { fromO(P) }; did(1)
  :: d_step { fromH() }; did(2)
#ifndef NOPERSON
  /* O was put back unnoticed and then again to the life that r has: r stopped at two letters under one number, a person lets it go on */
  :: d_step { rstop[H] && !orec -> person(H); moved = 0 }; progress7: skip          /* persons may come and come again: no cycle of ours */
  :: d_step { rstop[P] && !orec -> person(P); moved = 0 }; progress8: skip
#endif
  :: d_step { !orec -> judge(H) }; did(3)
  :: d_step { !orec -> judge(P) }; did(4)
  :: d_step { !orec -> back(H) }; did(5)
  :: d_step { !orec -> back(P) }; did(6)
#ifndef NOFINALE
  /* nothing is left to do: both sides agree, whatever else may happen later */
  :: d_step { !orec -> fromO(H); rh = moved; moved = 0; fromO(P); rh = rh || moved; moved = 0; fromH(); moved = moved || rh; rh = 0; judge(H); judge(P);
       if :: !orec -> back(H); back(P) :: else fi;
#ifndef NOPERSON
       if :: !orec && rstop[H] -> person(H) :: else fi; if :: !orec && rstop[P] -> person(P) :: else fi;
#endif
       if :: !moved -> finale() :: else fi; moved = 0 }
#endif
  od
}
