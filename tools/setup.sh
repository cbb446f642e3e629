#!/usr/bin/env bash
# Make the virtual environment of this project, or bring it up to date.
#
#   bash tools/setup.sh          (what `make setup` runs)
#
# Everything is checked before anything is installed. Interrupted, it goes on
# where it stopped; when nothing is left to do it says so within a second.
#
# Variables
#   GLIMPSE_VENV          where the environment goes            [.venv]
#   GLIMPSE_PYTHON        the Python to make it with            [looked for]
#   GLIMPSE_WHEELHOUSE    a folder with a ready wheel of mmcv   [none]
#   GLIMPSE_MIN_DISK_GIB  free space asked for, in GiB          [10]
#   CXX, MAX_JOBS         compiler and parallel compiler runs   [c++, cores]
set -Eeuo pipefail
trap 'echo "tools/setup.sh: line $LINENO failed" >&2' ERR

venv=${GLIMPSE_VENV:-.venv}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[[ $venv == /* ]] || venv=$PWD/$venv
python=$venv/bin/python
state=$venv/.glimpse # log, lock, stamp and temporary files of this script
log=$state/setup.log
steps=6

unset PYTHONHOME PYTHONPATH PIP_TARGET PIP_USER
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PYTHONUNBUFFERED=1

# --- small helpers ----------------------------------------------------------

duration() { # SECONDS -> 1m05s
    if (($1 < 60)); then echo "${1}s"; else
        printf '%dm%02ds' $(($1 / 60)) $(($1 % 60)); fi
}

version_of() { # PYTHON -> 3.11.7, or nothing if it does not run
    "$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' \
        2>/dev/null </dev/null || true
}

supported() { # 3.11.7 -> whether setup.cfg allows it
    local minor=${1#3.}
    minor=${minor%%.*}
    [[ $1 == 3.*.* ]] && ((minor >= oldest && minor < too_new))
}

pinned() { # NAME FILE -> its version in that requirements file
    sed -n "s/^$1==\([^ ;]*\).*/\1/p" "requirements/$2"
}

# --- what the machine offers ------------------------------------------------

# Sets `base`, the interpreter to start from, and its `version`.
find_python() {
    local range name seen=
    range=$(sed -n 's/^python_requires *= *//p' setup.cfg)
    [[ $range =~ ^\>=3\.([0-9]+),\<3\.([0-9]+)$ ]]
    oldest=${BASH_REMATCH[1]} too_new=${BASH_REMATCH[2]}
    local candidates=(python3.11 python3 python3.12 python3.10)
    [[ ! -x $python ]] || candidates=("$python" "${candidates[@]}")
    [[ -z ${GLIMPSE_PYTHON:-} ]] || candidates=("$GLIMPSE_PYTHON")
    for name in "${candidates[@]}"; do
        version=$(version_of "$name")
        if supported "$version"; then
            base=$name
            return
        fi
        [[ -z $version ]] || seen+="${seen:+, }$name is $version"
    done
    base= version=
    problem "Python 3.$oldest to 3.$((too_new - 1)) is needed;" \
        "found: ${seen:-none that runs (${candidates[*]})}." \
        "Install one (Debian, Ubuntu: apt install python3.11 python3.11-venv)" \
        "or name it: GLIMPSE_PYTHON=/path/to/python3.11 make setup"
}

# Sets `wheelhouses` (those given), `cache` (ours) and `wheel` (mmcv's).
find_wheel() {
    local folder name tag torch
    wheelhouses=()
    if [[ -n ${GLIMPSE_WHEELHOUSE:-} ]]; then
        if [[ -d $GLIMPSE_WHEELHOUSE ]]; then
            wheelhouses+=("$GLIMPSE_WHEELHOUSE")
        else
            problem "GLIMPSE_WHEELHOUSE=$GLIMPSE_WHEELHOUSE is not a folder."
        fi
    fi
    [[ ! -d ../shared/wheels ]] || wheelhouses+=("$PWD/../shared/wheels")

    mmcv=$(grep -E '^[a-z-]*mmcv==' requirements/mminstall.txt)
    tag=cp$(cut -d. -f1,2 <<<"$version" | tr -d .)
    torch=$(pinned torch torch.txt)
    # The operators are tied to torch, and to the GPU they were built for.
    kind=cpu
    if command -v nvcc >/dev/null && nvidia-smi -L >/dev/null 2>&1; then
        kind=cuda
    fi
    cache=${XDG_CACHE_HOME:-$HOME/.cache}/glimpse/wheels/torch$torch-$kind
    name=${mmcv%%==*}
    name=${name//-/_}-${mmcv##*==}-$tag-$tag-*$(uname -m).whl
    wheel=
    for folder in "${wheelhouses[@]}" "$cache"; do
        [[ -d $folder ]] || continue
        wheel=$(find "$folder" -maxdepth 1 -name "$name" | head -n 1)
        [[ -z $wheel ]] || return 0
    done
}

# --- checks before anything is installed ------------------------------------

problems=()
problem() { problems+=("$*"); }

check_venv() {
    local inside
    inside=$(version_of "$python")
    if [[ -e $venv && ! -e $venv/pyvenv.cfg && ! -e $state ]] &&
        [[ ! -d $venv || -n $(ls -A "$venv") ]]; then
        problem "$venv exists and is not a virtual environment." \
            "Move it away, or choose another place with GLIMPSE_VENV."
    elif [[ -n $inside && -n $base && ${inside%.*} != "${version%.*}" ]]; then
        problem "$venv is an environment of Python ${inside%.*}, and" \
            "$base is ${version%.*}. Remove $venv, or choose another place" \
            "with GLIMPSE_VENV."
    elif [[ -n $base ]] && ! "$base" -c 'import ensurepip, venv' 2>/dev/null
    then
        problem "$base ($version) cannot make virtual environments." \
            "Debian, Ubuntu: apt install python${version%.*}-venv"
    fi
}

check_compiler() { # needed only where no wheel fits
    [[ -z $wheel && -n $base ]] || return 0
    local cxx=${CXX:-c++} include why
    why="It compiles mmcv's operators, as there is no ready wheel of $mmcv for
Python ${version%.*} (GLIMPSE_WHEELHOUSE can name a folder with one)."
    include=$("$base" -c \
        'import sysconfig; print(sysconfig.get_path("include"))')
    if ! command -v "${cxx%% *}" >/dev/null; then
        problem "No C++ compiler: $cxx is not on the PATH." \
            "Debian, Ubuntu: apt install g++" "$why"
    elif ! echo '#include <optional>' |
        $cxx -std=c++17 -fsyntax-only -x c++ - 2>/dev/null; then
        problem "The C++ compiler $cxx does not compile C++17;" \
            "GCC 9 or newer does. Choose another with CXX=..." "$why"
    fi
    [[ -f $include/Python.h ]] ||
        problem "No Python headers: $include/Python.h is missing." \
            "Debian, Ubuntu: apt install python${version%.*}-dev" "$why"
}

check_disk() {
    local need=${GLIMPSE_MIN_DISK_GIB:-10} place=$venv used=0 free
    [[ ! -d $venv ]] || used=$(du -sk "$venv" | cut -f1)
    while [[ ! -d $place ]]; do place=$(dirname "$place"); done
    free=$(df -Pk "$place" | awk 'NR == 2 {print $4}')
    ((free + used >= need * 1024 * 1024)) ||
        problem "Too little disk space: $((free / 1024 / 1024)) GiB free at" \
            "$place, about $need GiB needed. Make room, or choose another" \
            "disk with GLIMPSE_VENV=/other/disk/venv (then for every make)."
}

check_machine() {
    check_venv
    check_compiler
    check_disk
    ((${#problems[@]})) || return 0
    {
        echo 'Cannot set up; nothing was installed.'
        printf -- '- %s\n' "${problems[@]}"
    } >&2
    exit 1
}

# --- running a step ---------------------------------------------------------

child=
number=0

stop() { # end what runs, compilers included
    trap - INT TERM HUP
    [[ -z $child ]] || kill -TERM -- "-$child" 2>/dev/null || true
    echo >&2
    echo 'Interrupted. Run `make setup` again: it goes on from here.' >&2
    exit 130
}

# One line per step: what is done, how far it is, and the time it took.
step() { # TITLE COMMAND...
    local title=$1 began=$SECONDS status=0 next=20
    shift
    number=$((number + 1))
    printf '[%d/%d] %s ...\n' "$number" "$steps" "$title"
    printf '\n== %s\n' "$title" >>"$log"
    set -m # a process group of its own, so that `stop` ends all of it
    ("$@") >>"$log" 2>&1 </dev/null &
    child=$!
    set +m
    while kill -0 "$child" 2>/dev/null; do
        sleep 0.2
        if ((SECONDS - began >= next)); then
            printf '      %s: %s\n' "$(duration $((SECONDS - began)))" \
                "$(tail -n 20 "$log" | grep -v WARNING | tail -n 1 |
                    tr -d '\r' | cut -c 1-64)"
            next=$((next + 20))
        fi
    done
    wait "$child" || status=$?
    child=
    if ((status)); then
        failed "$title" "$status" $((SECONDS - began))
    fi
    printf '      done in %s\n' "$(duration $((SECONDS - began)))"
}

failed() { # TITLE STATUS SECONDS
    local remedy='Read the lines above'
    if tail -n 200 "$log" | grep -q 'No space left'; then
        remedy='The disk is full: make room'
    elif tail -n 200 "$log" | grep -qE 'fatal error: Killed|MemoryError'; then
        remedy='Too little memory: try MAX_JOBS=1 make setup'
    elif tail -n 200 "$log" | grep -qE \
        'ConnectionError|NewConnection|Read timed out|Name or service'; then
        remedy='The package index did not answer: check the network'
    fi
    {
        echo
        tail -n 25 "$log" | sed 's/^/    /'
        echo
        echo "Failed at [$number/$steps] $1, after $(duration "$3")" \
            "(exit status $2)."
        echo "$remedy, then run \`make setup\` again: it goes on from here."
        echo "The whole log: $log"
    } >&2
    exit 1
}

# --- the steps --------------------------------------------------------------

make_venv() {
    if [[ -n $(version_of "$python") ]] && "$python" -m pip --version; then
        # An interrupted pip leaves packages without their list of files,
        # which it would take for installed.
        find "$venv"/lib/python*/site-packages -maxdepth 1 \
            -name '*.dist-info' -type d ! -exec test -e '{}/RECORD' ';' \
            -print -exec rm -r '{}' +
        return
    fi
    find "$venv" -mindepth 1 -maxdepth 1 ! -path "$state" -exec rm -r '{}' +
    "$base" -m venv "$venv"
}

install() { # pip install, with the versions that are known to work
    local folder links=()
    for folder in "${wheelhouses[@]}"; do links+=(--find-links "$folder"); done
    "$python" -m pip install --progress-bar off "${links[@]}" \
        --constraint requirements/constraints.txt "$@"
}

has_operators() { # of the right version, and for the torch that is there
    "$python" - <<EOF
import importlib.metadata, importlib.util, pathlib, torch
assert importlib.metadata.version('${mmcv%%==*}') == '${mmcv##*==}'
mmcv = importlib.util.find_spec('mmcv').submodule_search_locations[0]
binary, = pathlib.Path(mmcv).glob('_ext.*')
spec = importlib.util.spec_from_file_location('mmcv._ext', binary)
importlib.util.module_from_spec(spec)  # loads it, but not mmcv's imports
EOF
}

install_mmcv() {
    has_operators && return
    if [[ -z $wheel ]]; then
        build_wheel
        find_wheel
    fi
    "$python" -m pip install --no-deps --force-reinstall "$wheel"
    has_operators && return
    [[ $wheel != "$cache"/* ]] || rm "$wheel"
    echo "The operators in $wheel do not load with this torch and Python."
    echo 'Remove it from the wheelhouse, if it is in one.'
    return 1
}

# In a folder that stays, so that an interrupted build goes on.
build_wheel() {
    local sources=$state/${cache##*/} new=$state/download part=$cache/.part.$$
    if [[ ! -d $sources ]]; then
        rm -rf "$new"
        "$python" -m pip download --no-deps --no-build-isolation \
            --no-binary "${mmcv%%==*}" --progress-bar off --dest "$new" "$mmcv"
        tar -xzf "$new"/*.tar.gz -C "$new"
        mv "$new"/*/ "$sources"
    fi
    # mmcv looks at the GPU to choose what it builds; nvcc may be missing.
    if [[ $kind == cuda ]]; then
        export FORCE_CUDA=1
    else
        export CUDA_VISIBLE_DEVICES=
    fi
    # -g0: debug information would be 98 % of the binary and half of the time.
    # No pip cache: it does not know which torch a wheel was built for.
    CFLAGS="-g0 -O2 ${CFLAGS:-}" MAX_JOBS=$jobs "$python" -m pip wheel \
        --verbose --no-deps --no-build-isolation --no-cache-dir \
        --progress-bar off --wheel-dir "$sources/dist" "$sources"
    mkdir -p "$cache"
    cp "$sources"/dist/*.whl "$part"
    mv "$part" "$cache/$(basename "$sources"/dist/*.whl)"
    rm -r "$sources" "$new"
}

install_libraries() {
    install --no-build-isolation -r requirements/mminstall.txt \
        -r requirements/runtime.txt -r requirements/app.txt \
        -r requirements/docs.txt -r requirements/tests.txt
    # The toolboxes ask for opencv-python and opencv-python-headless, which
    # share their files: the one installed last stays. The first needs libGL.
    if grep -qs Qt5Core "$venv"/lib/python*/site-packages/cv2/cv2*.so; then
        install --force-reinstall --no-deps opencv-python-headless
    fi
}

# Compiling needs about 2 GiB of memory per job.
count_jobs() {
    local cores memory=
    cores=$(getconf _NPROCESSORS_ONLN)
    [[ ! -r /proc/meminfo ]] || memory=$(awk \
        '/^MemAvailable/ {print int($2 / 2097152)}' /proc/meminfo)
    jobs=$cores
    [[ -z $memory ]] || ((memory >= jobs)) || jobs=$((memory > 0 ? memory : 1))
    jobs=${MAX_JOBS:-$jobs}
}

mmcv_title() {
    if [[ -n $wheel ]]; then
        echo "mmcv operators, ready in $(dirname "$wheel")"
    elif has_operators 2>/dev/null; then
        echo 'mmcv operators, already there'
    else
        echo "mmcv operators: building from source," \
            "about $(((24 + jobs - 1) / jobs)) min on $jobs cores"
    fi
}

# --- the run ----------------------------------------------------------------

# What the environment depends on; it is up to date if this has not changed
# and nobody has broken it since.
key() { cat requirements/*.txt tools/setup.sh | cksum; }

up_to_date() {
    [[ -f $state/stamp && $(<"$state/stamp") == "$(key)" ]] &&
        "$python" tools/check_env.py --quick >/dev/null 2>&1
}

ready() { echo "Environment ready: $venv (Python $(version_of "$python"))"; }

if up_to_date; then
    ready
    exit
fi

find_python
find_wheel
check_machine

mkdir -p "$state"
if command -v flock >/dev/null; then # one set-up at a time
    exec 9>"$state/lock"
    if ! flock -n 9; then
        echo 'Another set-up of this environment is running; waiting for it.'
        flock 9
        if up_to_date; then
            ready
            exit
        fi
    fi
fi

trap stop INT TERM HUP
export TMPDIR=$state/tmp # what an interrupted pip leaves is cleared here
rm -rf "$state/stamp" "$TMPDIR"
mkdir "$TMPDIR"
: >"$log"
count_jobs
echo "Setting up $venv with Python $version; log: $log"
step 'virtual environment' make_venv
step "torch $(pinned torch torch.txt) and torchvision, about 3 GB to download" \
    install -r requirements/torch.txt numpy
step 'build tools' install -r requirements/build.txt
step "$(mmcv_title)" install_mmcv
step 'OpenMMLab toolboxes, libraries, tools for tests and docs' install_libraries
step 'self-check: import everything, run one compiled operator' \
    "$python" tools/check_env.py
sed -n '/^== self-check/,$p' "$log" | sed '1d; s/^/      /'
rm -rf "$TMPDIR"
key >"$state/stamp"
ready
echo "Took $(duration $SECONDS)."
