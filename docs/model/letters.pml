/* letters.pml: letters from one origin O, relayed by the hub H, read by P from H or from O.
 *
 * One step of the loop is one database transaction (or one fetch into memory). "Being away" is a step
 * that is not taken yet, so every delay and every mix of relay and direct pull is explored.
 * Facts are numbered as they are made (the letter id); the low bits of `tomask` say which are for P.
 * Faults, each bounded: P crashes (loses what it holds in memory), H dies for ever, each of O, H, P is
 * put back to an earlier backup; O with the operator knowing it, or without.
 *
 * -DBATCH: P takes what it holds, two letters, in one transaction (decisions D-3); the hold is lost whole in a crash.
 * Broken with it, -DHALFRUN: the cursor is committed for the whole run, the effect of its second letter after that.
 *
 * Broken variants: -DSPLIT -DPATHCURSOR -DNODEDUP -DNOCHAIN -DNOHEADS -DNOEPOCH -DNORETURN -DNOREWIND -DKEEPHAND
 */
#ifndef NF
#define NF 3                     /* facts that O makes */
#endif
#ifndef NCRASH
#define NCRASH 1
#endif
#ifndef RESTO
#define RESTO 1                  /* O restored: 0 never, 1 once, known or unknown to its operator */
#endif
#ifndef RESTH
#define RESTH 1
#endif
#ifndef RESTP
#define RESTP 1
#endif
#define NS NF
#define NE 3
#define SKIP (NF+1)              /* P passed a letter that is not for it */
#define IX(e,s) ((e)*NS+(s)-1)
#define BIT(f) (1<<(f))
#define FORP(f) ((tomask>>(f))&1)
#define IN(f,m) (((m)>>(f))&1)

/* durable at O */
byte olog[NE*NS]; byte olen[NE]; byte ores[NE]; byte oep; byte okn; byte ol0[NE]; byte ol1[NE];
/* durable at H */
byte hlog[NE*NS]; byte hlen[NE]; byte hep; bool hstop; bool hknow; byte hl0[NE]; byte hl1[NE];
/* durable at P */
byte plog[NE*NS]; byte plen[NE]; byte pep; bool pstop; bool pknow; byte pl1[NE]; byte applied;
/* backups (O's log only grows, so its length is enough; H and P may go back, so theirs are copied) */
bool bo; byte bo_ep; byte bo_len; byte bo_kn; byte bo_l0; byte bo_l1;
bool bh; byte bh_ep; byte bh_len; byte bh_l0; byte bh_l1; bool bh_stop; bool bh_know; byte bh_log[NE*NS];
bool bp; byte bp_ep; byte bp_len; byte bp_l1; byte bp_app; bool bp_stop; bool bp_know; byte bp_log[NE*NS];
byte rO, rH, rP, crashes;
/* volatile */
bool son[2]; byte se[2]; byte ss[2]; byte sf[2]; byte sp[2];   /* what P holds: 0 by the hub, 1 direct */
bool orec;                       /* O knows that it was restored */
byte odiv;                       /* evidence has reached O: 1 from H, 2 from P */
bool hdead;
byte ret;                        /* own letters on their way back to O */
#ifdef SPLIT
byte half;                       /* a fact whose cursor is committed and whose effect is not */
#endif
#ifdef BATCH
byte sg[2]; byte sq[2];          /* the second letter of the run in hand, and what its prev says */
#ifdef HALFRUN
byte half;
#endif
#endif
#ifdef PATHCURSOR
byte pcur[2];                    /* a cursor for each path, instead of one for each origin */
#endif
/* ghosts */
byte nf; byte tomask; byte knew[NF+1]; byte effects[NF+1];
byte i, f, r, e2;
bool rh, rp;

inline append(x) {               /* O stamps letter x */
  olen[oep]++; olog[IX(oep,olen[oep])] = x;
  if :: FORP(x) -> ol1[oep] = x :: else -> ol0[oep] = x fi
}
inline emit(forp) {
  nf++; tomask = tomask | (forp << nf); knew[nf] = okn; okn = okn | BIT(nf); append(nf)
}
/* the letter before slot s of epoch e in P's stream, in a server's log */
#define prevP(LG,e,s,out) \
  out = 0; i = s; \
  do \
  :: i <= 1 -> break \
  :: i > 1 -> i--; if :: FORP(LG[IX(e,i)]) -> out = LG[IX(e,i)]; break :: else fi \
  od; i = 0
#define prevO(LG,e,s,out) \
  out = 0; i = s; \
  do \
  :: i <= 1 -> break \
  :: i > 1 -> i--; if :: !FORP(LG[IX(e,i)]) -> out = LG[IX(e,i)]; break :: else fi \
  od; i = 0
inline effect(x) {
  if
#ifndef NODEDUP
  :: IN(x,applied) -> skip       /* the same letter id: already in effect */
#endif
  :: else ->
     effects[x]++;
     assert(effects[x] == 1);                              /* L-1 one effect */
     i = 1;                                                /* L-2 order for each subject */
     do
     :: i > NF -> break
     :: else ->
        assert(!(IN(i,knew[x]) && FORP(i) && (i&1)==(x&1)) || IN(i,applied)); i++
     od; i = 0;
     applied = applied | BIT(x)
  fi
}
#ifdef PATHCURSOR
#define PPOS(w) pcur[w]
#else
#define PPOS(w) plen[pep]
#endif
#define HCLOSED (hep > pep || (hep == pep && hknow))   /* H can show P that epoch pep is closed */
#define OCLOSED (oep > pep)

#define fetch(w,LG) \
  son[w] = 1; se[w] = pep; ss[w] = PPOS(w)+1; sf[w] = LG[IX(pep,ss[w])]; \
  if :: !FORP(sf[w]) -> sf[w] = SKIP; sp[w] = 0 \
     :: else -> prevP(LG,pep,ss[w],sp[w]) fi
#ifdef BATCH
#define second(w,LG,LEN) \
  if :: ss[w]+1 <= LEN -> sg[w] = LG[IX(pep,ss[w]+1)]; \
        if :: !FORP(sg[w]) -> sg[w] = SKIP; sq[w] = 0 \
           :: else -> prevP(LG,pep,ss[w]+1,sq[w]) fi \
     :: else fi
inline drop(w) { son[w] = 0; se[w] = 0; ss[w] = 0; sf[w] = 0; sp[w] = 0; sg[w] = 0; sq[w] = 0 }
#else
#define second(w,LG,LEN) skip
inline drop(w) { son[w] = 0; se[w] = 0; ss[w] = 0; sf[w] = 0; sp[w] = 0 }
#endif
#ifdef PATHCURSOR
#define NEXT(w) (ss[w] == pcur[w]+1)
#else
#define NEXT(w) (ss[w] == plen[pep]+1)
#endif
inline apply(w) {
  if
  :: se[w] != pep || !NEXT(w) -> skip                      /* stale: another path was faster */
  :: else ->
     if
#ifndef NOCHAIN
     :: sf[w] != SKIP && sp[w] != pl1[pep] -> pstop = 1    /* the chain does not fit: stop, report */
#endif
     :: else ->
#ifdef PATHCURSOR
        pcur[w]++;
        if :: pcur[w] > plen[pep] -> plen[pep]++; plog[IX(pep,plen[pep])] = sf[w] :: else fi;
#else
        plen[pep]++; plog[IX(pep,plen[pep])] = sf[w];
#endif
        if :: sf[w] != SKIP ->
              pl1[pep] = sf[w];
#ifdef SPLIT
              half = sf[w]
#else
              effect(sf[w])
#endif
           :: else fi
     fi
  fi
}
/* the rest of the run, in the same transaction: also when another path was faster with its first letter */
inline more(w) {
#ifdef BATCH
  if
  :: sg[w] != 0 && !pstop ->
     ss[w]++; sf[w] = sg[w]; sp[w] = sq[w]; sg[w] = 0; sq[w] = 0;
#ifdef HALFRUN
     if :: se[w] == pep && NEXT(w) && (sf[w] == SKIP || sp[w] == pl1[pep]) ->
           plen[pep]++; plog[IX(pep,plen[pep])] = sf[w];
           if :: sf[w] != SKIP -> pl1[pep] = sf[w]; half = sf[w] :: else fi
        :: else fi
#else
     apply(w)
#endif
  :: else
  fi
#else
  skip
#endif
}
#ifdef NORETURN
#define BACK(x) skip
#else
#define BACK(x) ret = ret | BIT(x)
#endif
#ifdef PATHCURSOR
#define PATHSET pcur[0] = plen[pep]; pcur[1] = plen[pep]
#else
#define PATHSET skip
#endif
/* P learns that its epoch is closed at ores[pep+1]. O's log is the history: P sets aside what O lacks,
 * goes back to the last letter that both have, and takes O's letters from there. */
inline plearn() {
  pknow = 1; pstop = 0;
#ifndef KEEPHAND
  drop(0); drop(1);                                        /* what is in hand was fetched in the old view */
#endif
  r = 0; i = 1; rh = 0;
  do
  :: i > plen[pep] -> break
  :: i <= plen[pep] && i > ores[pep+1] -> r = ores[pep+1]; rh = 1; break
  :: else -> f = plog[IX(pep,i)];
     if :: f == SKIP && !FORP(olog[IX(pep,i)]) -> i++
        :: f != SKIP && f == olog[IX(pep,i)] -> r = i; i++
        :: else -> rh = 1; break fi
  od;
#ifdef NOREWIND
  rh = 0;                                                  /* broken: only what lies beyond is set aside */
  if :: plen[pep] > ores[pep+1] -> rh = 1; r = ores[pep+1] :: else fi;
#endif
  if
  :: rh ->
     i = plen[pep]; pl1[pep] = 0;
     do
     :: i == r -> break
     :: else -> f = plog[IX(pep,i)]; if :: f != SKIP -> BACK(f) :: else fi; plog[IX(pep,i)] = 0; i--
     od;
     plen[pep] = r;
     do
     :: i == 0 -> break
     :: else -> if :: plog[IX(pep,i)] != SKIP -> pl1[pep] = plog[IX(pep,i)]; break :: else -> i-- fi
     od
  :: else
  fi;
  PATHSET; i = 0; f = 0; r = 0; rh = 0
}
inline hlearn() {
  hknow = 1; hstop = 0; r = 0; i = 1;
  do
  :: i > hlen[hep] || i > ores[hep+1] -> break
  :: else -> if :: hlog[IX(hep,i)] == olog[IX(hep,i)] -> r = i; i++ :: else -> break fi
  od;
#ifdef NOREWIND
  r = (hlen[hep] > ores[hep+1] -> ores[hep+1] : hlen[hep]);
#endif
  i = hlen[hep];
  do
  :: i == r -> break
  :: else -> BACK(hlog[IX(hep,i)]); hlog[IX(hep,i)] = 0; i--
  od;
  hlen[hep] = r; hl0[hep] = 0; hl1[hep] = 0;
  do
  :: i == 0 -> break
  :: else ->
     if :: FORP(hlog[IX(hep,i)]) && hl1[hep] == 0 -> hl1[hep] = hlog[IX(hep,i)]
        :: !FORP(hlog[IX(hep,i)]) && hl0[hep] == 0 -> hl0[hep] = hlog[IX(hep,i)]
        :: else fi; i--
  od; r = 0
}
inline pswitch() {
  i = ores[pep+1];                                         /* L-5 what remains is what O has too */
  do
  :: i == 0 -> break
  :: else -> f = plog[IX(pep,i)];
     assert(f == olog[IX(pep,i)] || (f == SKIP && !FORP(olog[IX(pep,i)]))); i--
  od; f = 0;
  pep++; pknow = 0;
  PATHSET
}
inline openepoch() {
  e2 = oep; oep++; assert(oep < NE);
  ores[oep] = olen[e2];                                    /* the epoch letter: the old epoch ends here */
  if :: rh && hep == e2 ->                                 /* own letters come home from the hub */
     i = 0;
     do
     :: i >= hlen[e2] -> break
     :: else -> i++; f = hlog[IX(e2,i)];
        if :: !IN(f,okn) -> okn = okn | BIT(f); append(f) :: else fi
     od
  :: else fi;
  if :: rp && pep == e2 ->
     i = 0;
     do
     :: i >= plen[e2] -> break
     :: else -> i++; f = plog[IX(e2,i)];
        if :: f != SKIP && !IN(f,okn) -> okn = okn | BIT(f); append(f) :: else fi
     od
  :: else fi;
  i = 0; f = 0; r = 0; e2 = 0; rh = 0; rp = 0; orec = 0; odiv = 0
}
inline finale() {
  /* everyone is up and nothing is left to do: both sides agree */
  assert(ret == 0 && !orec && !pstop);
  assert(pep == oep && plen[pep] == olen[oep]);
  i = 1;
  do
  :: i > NF -> break
  :: else ->
     assert(!FORP(i) || IN(i,okn) == IN(i,applied));       /* L-3 agreement */
     assert(rO > 0 || i > nf || !FORP(i) || IN(i,applied)); /* L-4 no loss */
     i++
  od;
  i = 1;                                                   /* L-4 again: what the hub holds is not lost */
  do
  :: i > hlen[hep] || hdead -> break
  :: else -> assert(IN(hlog[IX(hep,i)],okn)); i++
  od; i = 0
}

active proctype world() {
  do
  /* ---- O ---- */
  :: d_step { nf < NF && !orec -> emit(1) }
  :: d_step { nf < NF && !orec -> emit(0) }
  :: d_step { RESTO && !bo && rO == 0 && nf < NF && !orec ->
       bo = 1; bo_ep = oep; bo_len = olen[oep]; bo_kn = okn; bo_l0 = ol0[oep]; bo_l1 = ol1[oep] }
  :: d_step { bo && rO == 0 && (olen[oep] != bo_len || oep != bo_ep) ->   /* restored, and known */
       rO = 1; oep = bo_ep; olen[oep] = bo_len; okn = bo_kn; ol0[oep] = bo_l0; ol1[oep] = bo_l1;
       i = bo_len+1; do :: i > NS -> break :: else -> olog[IX(oep,i)] = 0; i++ od; i = 0; odiv = 0;
       bo = 0; bo_ep = 0; bo_len = 0; bo_kn = 0; bo_l0 = 0; bo_l1 = 0;
#ifndef NOEPOCH
       orec = 1
#endif
     }
#ifndef KNOWN
  :: d_step { bo && rO == 0 && (olen[oep] != bo_len || oep != bo_ep) ->   /* restored, nobody knows */
       rO = 2; oep = bo_ep; olen[oep] = bo_len; okn = bo_kn; ol0[oep] = bo_l0; ol1[oep] = bo_l1;
       i = bo_len+1; do :: i > NS -> break :: else -> olog[IX(oep,i)] = 0; i++ od; i = 0; odiv = 0;
       bo = 0; bo_ep = 0; bo_len = 0; bo_kn = 0; bo_l0 = 0; bo_l1 = 0 }
#endif
#ifndef NOEPOCH
  :: atomic { orec || odiv ->
       if :: rh = !hdead :: rh = 0 fi;        /* whom O reaches while it recovers */
       if :: rp = 1 :: rp = 0 fi;
       d_step { openepoch() } }
#endif
  :: d_step { ret != 0 && !orec ->                         /* an own letter has come back */
       f = 1; do :: IN(f,ret) -> break :: else -> f++ od;
       ret = ret & ~BIT(f);
       if :: !IN(f,okn) -> okn = okn | BIT(f); append(f) :: else fi; f = 0 }
  /* ---- H ---- */
  :: d_step { !hdead && !hstop && hlen[hep] < (hknow -> ores[hep+1] : (oep == hep -> olen[hep] : 0)) ->
       f = olog[IX(hep,hlen[hep]+1)];
       if :: FORP(f) -> prevP(olog,hep,hlen[hep]+1,r) :: else -> prevO(olog,hep,hlen[hep]+1,r) fi;
       if
#ifndef NOCHAIN
       :: r != (FORP(f) -> hl1[hep] : hl0[hep]) -> hstop = 1
#endif
       :: else -> hlen[hep]++; hlog[IX(hep,hlen[hep])] = f;
          if :: FORP(f) -> hl1[hep] = f :: else -> hl0[hep] = f fi
       fi; f = 0; r = 0 }
  :: d_step { !hdead && !hknow && oep > hep -> hlearn() }
  :: d_step { !hdead && hknow && hlen[hep] == ores[hep+1] ->
       i = ores[hep+1];                                    /* L-5 */
       do :: i == 0 -> break :: else -> assert(hlog[IX(hep,i)] == olog[IX(hep,i)]); i-- od;
       hep++; hknow = 0 }
  :: d_step { !hdead && !hstop && oep == hep && !orec &&
       (hlen[hep] > olen[hep]
#ifndef NOHEADS
        || (hlen[hep] == olen[hep] && (hl0[hep] != ol0[hep] || hl1[hep] != ol1[hep]))
#endif
       ) -> hstop = 1 }
  :: d_step { !hdead && hstop && oep == hep && !orec && !odiv -> odiv = 1 }
  :: d_step { RESTH && !bh && rH == 0 && !hdead ->
       bh = 1; bh_ep = hep; bh_len = hlen[hep]; bh_l0 = hl0[hep]; bh_l1 = hl1[hep]; bh_stop = hstop; bh_know = hknow;
       i = 0; do :: i >= NE*NS -> break :: else -> bh_log[i] = (i < IX(hep,bh_len+1) -> hlog[i] : 0); i++ od; i = 0 }
  :: d_step { bh && rH == 0 && !hdead && (hlen[hep] != bh_len || hep != bh_ep) ->
       rH = 1; hep = bh_ep; hlen[hep] = bh_len; hl0[hep] = bh_l0; hl1[hep] = bh_l1; hstop = bh_stop; hknow = bh_know;
       i = 0; do :: i >= NE*NS -> break :: else -> hlog[i] = bh_log[i]; bh_log[i] = 0; i++ od;
       i = hep+1; do :: i >= NE -> break :: else -> hlen[i] = 0; hl0[i] = 0; hl1[i] = 0; i++ od; i = 0;
       bh = 0; bh_ep = 0; bh_len = 0; bh_l0 = 0; bh_l1 = 0; bh_stop = 0; bh_know = 0 }
#ifndef NODEATH
  :: d_step { !hdead -> hdead = 1 }
#endif
  /* ---- P ---- */
  :: d_step { !pstop && !son[0] && !hdead && hep >= pep && pknow == HCLOSED && PPOS(0) < hlen[pep] -> fetch(0,hlog); second(0,hlog,hlen[pep]) }
  :: d_step { !pstop && !son[1] && oep >= pep && pknow == OCLOSED && PPOS(1) < olen[pep] -> fetch(1,olog); second(1,olog,olen[pep]) }
#ifdef SPLIT
  :: d_step { half != 0 -> effect(half); half = 0 }
  :: d_step { son[0] && half == 0 -> apply(0); drop(0) }
  :: d_step { son[1] && half == 0 -> apply(1); drop(1) }
#else
#ifdef HALFRUN
  :: d_step { half != 0 -> effect(half); half = 0 }
  :: d_step { son[0] && half == 0 -> apply(0); more(0); drop(0) }
  :: d_step { son[1] && half == 0 -> apply(1); more(1); drop(1) }
#else
  :: d_step { son[0] -> apply(0); more(0); drop(0) }
  :: d_step { son[1] -> apply(1); more(1); drop(1) }
#endif
  :: d_step { son[0] && se[0] == pep && NEXT(0) && !pstop -> apply(0) }   /* applied, and delivered again */
#endif
  :: d_step { !pknow && ((!hdead && HCLOSED) || OCLOSED) -> plearn() }
  :: d_step { pknow && plen[pep] == ores[pep+1] -> pswitch() }
  :: d_step { !pstop && oep == pep && !orec &&
       (plen[pep] > olen[pep]
#ifndef NOHEADS
        || (plen[pep] == olen[pep] && pl1[pep] != ol1[pep])
#endif
       ) -> pstop = 1 }
  :: d_step { pstop && oep == pep && !orec && !odiv -> odiv = 2 }
  :: d_step { crashes < NCRASH && (son[0] || son[1]
#if defined(SPLIT) || defined(HALFRUN)
       || half
#endif
       ) -> crashes++; drop(0); drop(1)
#if defined(SPLIT) || defined(HALFRUN)
       ; half = 0
#endif
     }
  :: d_step { RESTP && !bp && rP == 0 ->
       bp = 1; bp_ep = pep; bp_len = plen[pep]; bp_l1 = pl1[pep]; bp_app = applied; bp_stop = pstop; bp_know = pknow;
       i = 0; do :: i >= NE*NS -> break :: else -> bp_log[i] = (i < IX(pep,bp_len+1) -> plog[i] : 0); i++ od; i = 0 }
  :: d_step { bp && rP == 0 && (plen[pep] != bp_len || pep != bp_ep) ->
       rP = 1; drop(0); drop(1);
       pep = bp_ep; plen[pep] = bp_len; pl1[pep] = bp_l1; applied = bp_app; pstop = bp_stop; pknow = bp_know;
       i = 0; do :: i >= NE*NS -> break :: else -> plog[i] = bp_log[i]; bp_log[i] = 0; i++ od;
       i = pep+1; do :: i >= NE -> break :: else -> plen[i] = 0; pl1[i] = 0; i++ od;
       i = 1; do :: i > NF -> break :: else -> effects[i] = IN(i,applied); i++ od; i = 0;
       bp = 0; bp_ep = 0; bp_len = 0; bp_l1 = 0; bp_app = 0; bp_stop = 0; bp_know = 0 }
  :: timeout -> d_step { finale() }; break
  od
}
