#!/bin/sh
# Checks every model and every broken variant; a line each. Needs spin and gcc. Usage: ./check.sh [quick]
# "holds" must find no error; "caught" must find one: a check that cannot fail is a defect.
here=$(cd "$(dirname "$0")" && pwd); work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; bad=0
one() { # expectation, mode (safety|cycles), model, flags
  want=$1; mode=$2; model=$3; shift 3
  rm -rf "$work/m"; mkdir "$work/m"; cd "$work/m" || exit 2; cp "$here/$model" .
  spin "$@" -a "$model" >/dev/null || exit 2
  if [ "$mode" = cycles ]; then gcc -w -O2 -DNP -DCOLLAPSE -DMEMLIM=12000 -o pan pan.c && ./pan -l -m1000000 >out 2>&1
  else gcc -w -O2 -DSAFETY -DCOLLAPSE -DMEMLIM=12000 -o pan pan.c && ./pan -m1000000 >out 2>&1; fi
  errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' out)
  states=$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' out)
  time=$(sed -n 's/.*elapsed time \([0-9.]*\).*/\1/p' out)
  grep -qE 'out of memory|max search depth too small|search not completed' out && errors="incomplete"
  [ "$errors" != 0 ] && [ "$want" = holds -o -n "$VERBOSE" ] && grep 'pan:1' out
  if [ "$want" = holds ] && [ "$errors" = 0 ]; then verdict=ok
  elif [ "$want" = caught ] && [ "$errors" = 1 ]; then verdict=ok
  else verdict=WRONG; bad=1; fi
  printf '%-6s %-6s %-6s %-12s %10s states %6ss  %s\n' "$verdict" "$want" "$mode" "$model" "$states" "$time" "$*"
}
one holds  safety stamper.pml
one caught safety stamper.pml -DNUMBER_AT_INSERT
one holds  safety parking.pml
for v in SPLITREPLAY BLOCK NOFOLLOW; do one caught safety parking.pml -D$v; done
one holds  safety parking.pml -DBATCH
for v in SPLITREPLAY NOFOLLOW NOSAVEPOINT; do one caught safety parking.pml -DBATCH -D$v; done
one holds  safety forged.pml
for v in NOPREV FIRSTONLY; do one caught safety forged.pml -D$v; done
one holds  safety letters.pml -DBATCH -DNF=4 -DRESTO=0 -DNCRASH=2
one holds  safety letters.pml -DBATCH -DNF=3 -DRESTH=0 -DRESTP=0 -DNODEATH
one caught safety letters.pml -DBATCH -DNF=2 -DHALFRUN
one caught safety letters.pml -DBATCH -DNF=3 -DRESTH=0 -DRESTP=0 -DNODEATH -DNOCHAIN
one caught safety letters.pml -DBATCH -DNF=3 -DRESTH=0 -DRESTP=0 -DNODEATH -DKEEPHAND
one holds  safety letters.pml -DNF=4 -DRESTO=0 -DNCRASH=2
one holds  safety letters.pml -DNF=3 -DRESTH=0 -DRESTP=0 -DNODEATH
one holds  cycles letters.pml -DNF=2 -DRESTP=0
for v in SPLIT PATHCURSOR NODEDUP NOEPOCH NORETURN; do one caught safety letters.pml -DNF=2 -D$v; done
for v in NOCHAIN NOHEADS NOREWIND KEEPHAND; do one caught safety letters.pml -DNF=3 -DRESTH=0 -DRESTP=0 -DNODEATH -D$v; done
one holds  safety again.pml -DNF=2
one holds  cycles again.pml -DNF=2 -DNOFINALE
for v in NOFORGOTTEN ONCE NOPROOF NONAME ENDONLY; do one caught safety again.pml -DNF=2 -D$v; done
for v in ALONE ANYTIME; do one caught safety again.pml -DNF=3 -D$v; done
one holds  safety case.pml
one holds  cycles case.pml
one holds  safety case.pml -DNORESTORE
for v in NOWATERMARK NORECOVER NOSIBLING SPLITTX ACTINTRANSFER NOFORWARD AUTOWITHDRAW NOSTANDING; do one caught safety case.pml -D$v; done
if [ "$1" != quick ]; then
  one holds  cycles letters.pml -DNF=3 -DRESTH=0 -DRESTP=0 -DNODEATH
  one holds  safety letters.pml -DNF=2
  one holds  safety letters.pml -DNF=3 -DRESTP=0
  one holds  safety letters.pml -DNF=4 -DRESTH=0 -DRESTP=0 -DNODEATH
  one holds  safety again.pml -DNF=3
  one caught safety again.pml -DNF=3 -DNOPERSON
fi
exit $bad
